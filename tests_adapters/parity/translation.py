"""What is a recorded tensor name called in our model?"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from generated.core.lifecycle import adapter_tensors
from generated.core.loading.keys import match_names, parse_name
from generated.core.loading.placement import layer_paths, renaming


def translate(model: nn.Module, names: Iterable[str], adapter: str) -> dict[str, str]:
    """Recorded names of tensors of `adapter` to names in the base model `model`."""
    expected = {parse_name(name, adapter) for name in adapter_tensors(model, adapter)}
    matched = match_names(names, adapter, expected, layer_paths(model), renaming(model))
    return {name: found.full(adapter) for name, found in matched.items()}
