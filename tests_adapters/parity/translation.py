"""What is a recorded tensor name called in our model?"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from generated.core.lifecycle import adapter_tensors
from generated.core.loading.keys import match_names, parse_name
from generated.core.loading.placement import layer_paths, renaming


def translate(model: nn.Module, names: Iterable[str], adapter: str) -> dict[str, str]:
    """Recorded names of tensors of `adapter` to names in the base model `model`."""
    return translate_tensors(model, names, adapter, adapter_tensors(model, adapter))


def translate_tensors(model: nn.Module, names: Iterable[str], adapter: str, own: Iterable[str]) -> dict[str, str]:
    """The same for an adapter, or a mixture, whose tensors in the model are called `own`."""
    expected = {parse_name(name, adapter) for name in own}
    matched = match_names(names, adapter, expected, layer_paths(model), renaming(model), {})
    return {name: found.full(adapter) for name, found in matched.items()}
