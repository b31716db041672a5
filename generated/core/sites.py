"""Where in a model can adapters sit? The words in which generated modules answer, and how a path becomes a module.

All paths of a `LayerSites` start at the layer; those of an `AdapterStack` start at the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from torch import nn

from generated.core.errors import UnsupportedModelError


StackKind = Literal["encoder", "decoder"]
Role = Literal["q", "k", "v", "o", "gate", "up", "down"]


@dataclass(frozen=True)
class AdapterStack:
    """
    One list of layers.

    Args:
        kind: "encoder" (bidirectional) or "decoder".
        layers: path of the list; `stages.*.blocks` stands for such a list in every element of another one.
        owner: path of the module that embeds the input and runs the layers; "" is the model itself.
        entry: path, from the owner, of the module whose output enters the first layer; "" means that only the
            input of the first layer itself is that value.
    """

    kind: StackKind
    layers: str
    owner: str = ""
    entry: str = ""


@dataclass(frozen=True)
class BottleneckSite:
    """
    A residual addition that can take bottleneck adapters.

    Args:
        location: the switch of `BnConfig` that asks for it: mh_adapter, cross_adapter or output_adapter.
        host: path of the module whose forward adds the residual; "" is the layer itself.
        slot: attribute of the host that holds the adapters; "" means that the host is the adapter layer.
        of: the host must be of this class, where a path leads to different modules in different layers.
        needs: path of a module without which the addition never happens, e.g. a cross-attention that only some
            configurations have.
    """

    location: str
    host: str = ""
    slot: str = ""
    of: type[nn.Module] | None = None
    needs: str = ""


@dataclass(frozen=True)
class AttentionSite:
    """An attention whose keys and values can take a prefix; `keys` is the path of the projection that makes keys."""

    path: str
    kind: Literal["self", "cross"] = "self"
    keys: str = ""


@dataclass(frozen=True)
class Projection:
    """
    A linear map that LoRA and (IA)³ can adapt. A tuple of roles says that its output is the concatenation of that
    many parts of equal width, in that order.
    """

    path: str
    roles: Role | tuple[Role, ...]

    @property
    def parts(self) -> tuple[Role, ...]:
        return (self.roles,) if isinstance(self.roles, str) else self.roles


@dataclass(frozen=True)
class LayerSites:
    """All places in one class of layers."""

    bottleneck: tuple[BottleneckSite, ...] = ()
    attention: tuple[AttentionSite, ...] = ()
    projections: tuple[Projection, ...] = ()


@dataclass(frozen=True)
class PlacedLayer:
    """One layer of a model, with its number counted through all stacks."""

    index: int
    stack: AdapterStack
    module: nn.Module
    sites: LayerSites


@dataclass(frozen=True)
class PlacedProjection:
    """
    One linear map that can be adapted.

    Args:
        path: from the model, of the map or of what PEFT has put around it.
        layer: the layer that it is in.
        projection: as which it is declared.
        module: the map itself.
    """

    path: str
    layer: PlacedLayer
    projection: Projection
    module: nn.Module


def resolve(root: nn.Module, path: str, of: type[nn.Module] | None = None) -> nn.Module | None:
    """The module at `path`, or `None` where this instance has none (or one of another class than `of`)."""
    module: nn.Module | None = root
    for component in filter(None, path.split(".")):
        module = _child(module, component)
        if module is None:
            return None
    return module if of is None or isinstance(module, of) else None


def present_stacks(model: nn.Module) -> Iterator[AdapterStack]:
    """The stacks of `model.adapter_stacks` that this instance has: a decoder on its own lacks the encoder."""
    return (stack for stack in model.adapter_stacks if next(_lists(model, stack.layers), None) is not None)


def placed_layers(model: nn.Module) -> Iterator[PlacedLayer]:
    """
    All layers in order: those of a decoder are numbered after those of the encoder.

    Raises:
        UnsupportedModelError: a layer is of a class for which no sites are known.
    """
    lists = ((stack, found) for stack in present_stacks(model) for found in _lists(model, stack.layers))
    layers = ((stack, layer) for stack, found in lists for layer in found)
    for index, (stack, layer) in enumerate(layers):
        yield PlacedLayer(index, stack, layer, _sites_of(model, layer))


def placed_projections(model: nn.Module) -> Iterator[PlacedProjection]:
    """All linear maps that LoRA and (IA)³ can adapt, layer by layer."""
    paths = {module: path for path, module in model.named_modules()}
    for layer in placed_layers(model):
        for projection in layer.sites.projections:
            linear = resolve(layer.module, projection.path)
            if linear is not None:
                yield PlacedProjection(paths[linear], layer, projection, _unwrapped(linear))


def projection_modules(layer: PlacedLayer) -> Iterator[tuple[Projection, nn.Module]]:
    """The linear maps that a layer has, each with how it is declared."""
    for projection in layer.sites.projections:
        linear = resolve(layer.module, projection.path)
        if linear is not None:
            yield projection, _unwrapped(linear)


def _lists(root: nn.Module, path: str) -> Iterator[nn.Module]:
    """The module at a path; where that has a `*`, one for each element of the list before it."""
    head, star, rest = path.partition("*")
    found = resolve(root, head.rstrip("."))
    if found is None or not star:
        yield from () if found is None else (found,)
        return
    for element in found:
        yield from _lists(element, rest.lstrip("."))


def _unwrapped(linear: nn.Module) -> nn.Module:
    """PEFT replaces a map by a module around it."""
    while isinstance(getattr(linear, "base_layer", None), nn.Module):
        linear = linear.base_layer
    return linear


def _child(module: nn.Module, component: str) -> nn.Module | None:
    if component.lstrip("-").isdigit():
        position = int(component)
        return module[position] if -len(module) <= position < len(module) else None
    child = getattr(module, component, None)
    return child if isinstance(child, nn.Module) else None


def _sites_of(model: nn.Module, layer: nn.Module) -> LayerSites:
    for cls in type(layer).__mro__:
        if cls in model.adapter_sites:
            return model.adapter_sites[cls]
    raise UnsupportedModelError(
        f"layers of class {type(layer).__name__} have no adapter sites in {model.model_package}; "
        f"known: {', '.join(cls.__name__ for cls in model.adapter_sites)}"
    )
