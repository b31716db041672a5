"""Which of the places that were declared for adapters does this model have, in which of its parts?

A model may hold others: the package of each says where adapters sit in it, see `sites`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from generated.core.errors import UnsupportedModelError
from generated.core.integrations import declared_places
from generated.core.layers.slot import paths_of
from generated.core.sites import AdapterStack, AttentionSite, LayerSites, Projection, joined, resolve


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
    """
    One layer of a model.

    Args:
        index: its number, counted through all stacks.
        placed: the stack that it is in.
        module: the layer.
        sites: the places in it.
    """

    index: int
    placed: PlacedStack
    module: nn.Module
    sites: LayerSites

    @property
    def stack(self) -> AdapterStack:
        return self.placed.stack

    @property
    def part(self) -> Part:
        return self.placed.part


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
    """
    The first stack; of several towers the first one in that which embeds the words, if one does. `None` where there
    are no stacks.
    """
    stacks = list(placed_stacks(model))
    words = word_embeddings(model) if len({placed.tower for placed in stacks}) > 1 else None
    owners = ((placed.stack, resolve(model, placed.stack.owner)) for placed in stacks)
    found = (stack for stack, owner in owners if owner is not None and words in set(owner.modules()))
    return next(found, stacks[0].stack if stacks else None)


def word_embeddings(model: nn.Module) -> nn.Module | None:
    """What transformers calls the input embeddings; `None` for models that have none, as those of sounds."""
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
        yield PlacedLayer(index, placed, layer, _sites_of(placed.part, layer))


def first_layer(model: nn.Module) -> PlacedLayer:
    """The first layer of `first_stack`."""
    stack = first_stack(model)
    return next(layer for layer in placed_layers(model) if layer.stack == stack)


def placed_projections(model: nn.Module) -> Iterator[PlacedProjection]:
    """All linear maps that LoRA and (IA)³ can adapt, layer by layer."""
    paths = paths_of(model)
    for layer in placed_layers(model):
        for projection, linear in projection_modules(layer):
            yield PlacedProjection(paths[linear], layer, projection, unwrapped(linear))


def projection_modules(layer: PlacedLayer) -> Iterator[tuple[Projection, nn.Module]]:
    """
    The linear maps that a layer has, or what PEFT has put around them, each with how it is declared. Some layers have
    nothing that maps in the place of one.
    """
    for projection in layer.sites.projections:
        linear = resolve(layer.module, projection.path)
        if linear is not None and not isinstance(linear, nn.Identity):
            yield projection, linear


def attention_modules(layer: PlacedLayer) -> Iterator[tuple[AttentionSite, nn.Module]]:
    """The attentions that a layer has: one path may lead to modules without keys in other layers of its class."""
    for site in layer.sites.attention:
        attention = resolve(layer.module, site.path)
        if attention is not None and resolve(layer.module, site.keys) is not None:
            yield site, attention


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


def _sites_of(part: Part, layer: nn.Module) -> LayerSites:
    sites = part.declared.adapter_sites
    for cls in type(layer).__mro__:
        if cls in sites:
            return sites[cls]
    raise UnsupportedModelError(
        f"layers of class {type(layer).__name__} have no adapter sites in {part.package}; "
        f"known: {', '.join(cls.__name__ for cls in sites)}"
    )
