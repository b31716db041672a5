"""Where in a model can adapters sit? The words in which generated modules answer, and how a path becomes a module.

All paths of a `LayerSites` start at the layer; those of an `AdapterStack` start at the model. A model may hold others:
the package of each says where adapters sit in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from torch import nn

from generated.core.errors import UnsupportedModelError
from generated.core.integrations import declared_places


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
        config: path of the part of the configuration that the layers are made of.
        packed: all examples are one sequence, without a dimension for the batch.
    """

    kind: StackKind
    layers: str
    owner: str = ""
    entry: str = ""
    config: str = ""
    packed: bool = False

    def below(self, path: str) -> AdapterStack:
        """The same list, by paths from a model that holds the model at `path`."""
        return replace(self, layers=joined(path, self.layers), owner=joined(path, self.owner))


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
    many parts, in that order.

    Args:
        group: width of the groups of channels each of which has all parts, such as heads: a product of numbers and of
            attributes, by their paths from the layer. "" when all channels are one group.
        widths: those of the parts, in the same way, where they differ; "" is what is left.
    """

    path: str
    roles: Role | tuple[Role, ...]
    group: str = ""
    widths: tuple[str, ...] = ()

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
class Part:
    """
    A model, or a model inside it.

    Args:
        path: from the outer model; "" for that one itself.
        module: the model.
        declared: the class that says where adapters sit in it.
    """

    path: str
    module: nn.Module
    declared: type

    @property
    def package(self) -> str:
        return self.declared.model_package


@dataclass(frozen=True)
class PlacedStack:
    """
    A stack of a model.

    Args:
        stack: what is known of it; its paths start at the outer model.
        part: the model that knows it.
        lists: the lists of layers that it consists of.
    """

    stack: AdapterStack
    part: Part
    lists: tuple[nn.Module, ...]

    @property
    def tower(self) -> tuple[str, str]:
        """Stacks of one tower belong together: they are of one part, and made of one configuration."""
        return self.part.path, self.stack.config


@dataclass(frozen=True)
class PlacedLayer:
    """One layer of a model, with its number counted through all stacks, and the part of the model that it is in."""

    index: int
    stack: AdapterStack
    module: nn.Module
    sites: LayerSites
    part: Part


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


def joined(path: str, name: str) -> str:
    """One path behind another."""
    return f"{path}.{name}" if path and name else path or name


def placed_stacks(model: nn.Module) -> Iterator[PlacedStack]:
    """
    The stacks that this instance has: those that its class declares, for a decoder on its own lacks the encoder; then
    those of models inside it that are not among them.
    """
    return _stacks_below(model, "", set())


def _stacks_below(module: nn.Module, path: str, seen: set[nn.Module]) -> Iterator[PlacedStack]:
    declared = declared_places(module)
    for stack in () if declared is None else declared.adapter_stacks:
        lists = tuple(found for found in _lists(module, stack.layers) if found not in seen)
        seen.update(lists)
        if lists:
            yield PlacedStack(stack.below(path), Part(path, module, declared), lists)
    for name, child in module.named_children():
        if child not in seen:
            yield from _stacks_below(child, joined(path, name), seen)


def present_stacks(model: nn.Module) -> Iterator[AdapterStack]:
    """All lists of layers of a model and of models inside it."""
    return (placed.stack for placed in placed_stacks(model))


def first_stack(model: nn.Module) -> AdapterStack | None:
    """The stack that embeds the words; the first one where there are none, `None` where there are no stacks."""
    stacks = list(present_stacks(model))
    words = None if len(stacks) == 1 else _words(model)
    owners = ((stack, resolve(model, stack.owner)) for stack in stacks)
    found = (stack for stack, owner in owners if owner is not None and words in set(owner.modules()))
    return next(found, stacks[0] if stacks else None)


def _words(model: nn.Module) -> nn.Module | None:
    try:
        return model.get_input_embeddings()
    except (NotImplementedError, AttributeError):  # a model that has none says so in one of these ways
        return None


def placed_layers(model: nn.Module) -> Iterator[PlacedLayer]:
    """
    All layers in order: those of a decoder are numbered after those of the encoder.

    Raises:
        UnsupportedModelError: a layer is of a class for which no sites are known.
    """
    layers = ((placed, layer) for placed in placed_stacks(model) for found in placed.lists for layer in found)
    for index, (placed, layer) in enumerate(layers):
        yield PlacedLayer(index, placed.stack, layer, _sites_of(placed.part, layer), placed.part)


def placed_projections(model: nn.Module) -> Iterator[PlacedProjection]:
    """All linear maps that LoRA and (IA)³ can adapt, layer by layer."""
    paths = {module: path for path, module in model.named_modules()}
    for layer in placed_layers(model):
        for projection in layer.sites.projections:
            linear = resolve(layer.module, projection.path)
            if linear is not None:
                yield PlacedProjection(paths[linear], layer, projection, unwrapped(linear))


def projection_modules(layer: PlacedLayer) -> Iterator[tuple[Projection, nn.Module]]:
    """The linear maps that a layer has, each with how it is declared."""
    for projection in layer.sites.projections:
        linear = resolve(layer.module, projection.path)
        if linear is not None:
            yield projection, unwrapped(linear)


def _lists(root: nn.Module, path: str) -> Iterator[nn.Module]:
    """The module at a path; where that has a `*`, one for each element of the list before it."""
    head, star, rest = path.partition("*")
    found = resolve(root, head.rstrip("."))
    if found is None or not star:
        yield from () if found is None else (found,)
        return
    for element in found:
        yield from _lists(element, rest.lstrip("."))


def unwrapped(linear: nn.Module) -> nn.Module:
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


def _sites_of(part: Part, layer: nn.Module) -> LayerSites:
    sites = part.declared.adapter_sites
    for cls in type(layer).__mro__:
        if cls in sites:
            return sites[cls]
    raise UnsupportedModelError(
        f"layers of class {type(layer).__name__} have no adapter sites in {part.package}; "
        f"known: {', '.join(cls.__name__ for cls in sites)}"
    )
