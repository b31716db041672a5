"""Where does the plan put adapters in a model that was built? Asked of the generated mixins, through the runtime."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from torch import nn
from transformers import PreTrainedModel


Place = tuple[str, Any]  # class of the layer, and a BottleneckSite, AttentionSite or Projection of it


def core(runtime: ModuleType, module: str) -> Any:
    """A module of the runtime."""
    return importlib.import_module(f"{runtime.__name__}.core.{module}")


def placed_layers(runtime: ModuleType, base: PreTrainedModel) -> Iterator[Any]:
    """The layers of a model, as the runtime counts them."""
    yield from core(runtime, "placed").placed_layers(base)


def planned_places(base: PreTrainedModel) -> frozenset[Place]:
    """Every place that the plan knows, for any configuration."""
    return frozenset((cls.__name__, place) for cls, layer in base.adapter_sites.items() for place in _all(layer))


def present_places(runtime: ModuleType, base: PreTrainedModel) -> frozenset[Place]:
    """Those that this model has."""
    return frozenset(
        (type(layer.module).__name__, place)
        for layer in placed_layers(runtime, base)
        for place in _all(layer.sites)
        if module_at(runtime, layer.module, place) is not None
    )


def module_at(runtime: ModuleType, layer: nn.Module, place: Any) -> nn.Module | None:
    """The host, attention or projection of a place; `None` where this layer has none."""
    resolve = core(runtime, "sites").resolve
    if hasattr(place, "location"):
        return resolve(layer, place.host, of=place.of) if resolve(layer, place.needs) is not None else None
    if hasattr(place, "keys") and resolve(layer, place.keys) is None:
        return None
    found: nn.Module | None = resolve(layer, place.path)
    return None if isinstance(found, nn.Identity) else found  # some layers do without a projection


def _all(layer: Any) -> Iterator[Any]:
    yield from (*layer.bottleneck, *layer.attention, *layer.projections)
