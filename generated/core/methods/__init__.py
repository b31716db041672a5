"""How does each method enter a model? One file per method, all with the same two verbs: `add` and `tidy`."""

from __future__ import annotations

from generated.core.configuration import AdapterConfig
from generated.core.methods import bottleneck, invertible, lora, prefix_tuning, prompt_tuning, reft
from generated.core.methods.base import AdapterMethod, Target


METHODS = (invertible.METHOD, bottleneck.METHOD, lora.METHOD, prefix_tuning.METHOD, prompt_tuning.METHOD, reft.METHOD)


def methods_of(config: AdapterConfig) -> tuple[AdapterMethod, ...]:
    """The methods that a configuration of one part asks for."""
    return tuple(method for method in METHODS if method.is_wanted(config))


__all__ = ["METHODS", "AdapterMethod", "Target", "methods_of"]
