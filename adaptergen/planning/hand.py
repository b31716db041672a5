"""Entries that a person wrote survive planning: they replace the planned entry for the same thing, or are added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import TypeVar

from msgspec.structs import replace

from adaptergen.plan import Decision, IntegrationPlan, LayerPlan, MethodSupport


D = TypeVar("D", bound=Decision)


def keep_hand_entries(planned: IntegrationPlan, previous: IntegrationPlan) -> IntegrationPlan:
    """The new plan with every `by = "hand"` entry of the previous one."""
    return replace(
        planned,
        adapter_model=_kept(planned.adapter_model, previous.adapter_model),
        stacks=_joined(planned.stacks, previous.stacks, lambda stack: stack.layers),
        sub_models=_joined(planned.sub_models, previous.sub_models, lambda model: model.path),
        layers=_kept_layers(planned.layers, previous.layers),
        residuals=_joined_by_turn(
            planned.residuals, previous.residuals, lambda h: (h.cls, h.method, h.statement, h.nth)
        ),
        prefixes=_joined(planned.prefixes, previous.prefixes, lambda h: (h.cls, h.method)),
        heads=_joined(planned.heads, previous.heads, lambda head: head.cls),
        config_names=_joined(planned.config_names, previous.config_names, lambda name: name.canonical),
        tiny_config=_kept(planned.tiny_config, previous.tiny_config),
    )


def keep_hand_methods(
    planned: Mapping[str, MethodSupport], previous: IntegrationPlan | None
) -> Mapping[str, MethodSupport]:
    """Methods that a person ruled in or out stay so, and decide what else is planned."""
    by_hand = {name: method for name, method in previous.methods.items() if method.by == "hand"} if previous else {}
    return {**planned, **by_hand}


def _kept(planned: D, previous: D) -> D:
    return previous if previous.by == "hand" else planned


def _kept_layers(planned: tuple[LayerPlan, ...], previous: tuple[LayerPlan, ...]) -> tuple[LayerPlan, ...]:
    """Every class of layers that was found, and those in which only hands have found something."""
    known = {layer.cls: layer for layer in previous}
    found = tuple(_kept_layer(layer, known.pop(layer.cls, LayerPlan(layer.cls))) for layer in planned)
    unfound = (_kept_layer(LayerPlan(cls), layer) for cls, layer in known.items())
    return (*found, *(layer for layer in unfound if layer != LayerPlan(layer.cls)))


def _kept_layer(planned: LayerPlan, previous: LayerPlan) -> LayerPlan:
    return replace(
        planned,
        bottleneck=_joined_by_turn(planned.bottleneck, previous.bottleneck, lambda place: place.location),
        attention=_joined(planned.attention, previous.attention, lambda place: place.path),
        projections=_joined(planned.projections, previous.projections, lambda place: place.path),
    )


def _joined(planned: tuple[D, ...], previous: Iterable[D], key: Callable[[D], Hashable]) -> tuple[D, ...]:
    by_hand = {key(entry): entry for entry in previous if entry.by == "hand"}
    kept = tuple(by_hand.pop(key(entry), entry) for entry in planned)
    return (*kept, *by_hand.values())


def _joined_by_turn(planned: tuple[D, ...], previous: tuple[D, ...], key: Callable[[D], Hashable]) -> tuple[D, ...]:
    """As `_joined`, where several entries have the same key: the first replaces the first."""
    numbers = {id(entry): number for entries in (planned, previous) for entry, number in _numbered(entries, key)}
    return _joined(planned, previous, lambda entry: (key(entry), numbers[id(entry)]))


def _numbered(entries: tuple[D, ...], key: Callable[[D], Hashable]) -> Iterator[tuple[D, int]]:
    met: Counter[Hashable] = Counter()
    for entry in entries:
        yield entry, met[key(entry)]
        met[key(entry)] += 1
