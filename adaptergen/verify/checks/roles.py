"""Does each addition take what its sub-layer makes, and does each projection do what its role says?

Asked of a model that runs, not of its code: the last map of a sub-layer is silenced, or values are doubled, and what
changes tells what is what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from msgspec import Struct
from torch import Tensor, nn
from transformers import PreTrainedModel

from adaptergen.naming import shared_start
from adaptergen.verify import places
from adaptergen.verify.adapters import AdapterForm, add_random
from adaptergen.verify.calls import Norms, hooked, noting_additions
from adaptergen.verify.outputs import CheckFailed, are_close, run
from adaptergen.verify.subjects import Subject


LAST = {"mh_adapter": "o", "cross_adapter": "o", "output_adapter": "down"}  # role of the last map of each sub-layer
EARLIER = {"o": ("q", "k", "v"), "down": ("gate", "up")}  # what runs before it
ATTENTION = {"mh_adapter": "self", "cross_adapter": "cross"}


class _Addition(Struct, frozen=True):
    """
    Args:
        ends: the last maps of sub-layers of its kind; one of them is that of its own.
        like_it: how many additions of this kind the layer has.
    """

    what: str
    slot: nn.Module
    ends: Sequence[nn.Module]
    like_it: int


class _Map(Struct, frozen=True):
    """
    What plays one role: a map, or a part of its output.

    Args:
        twice: 2, or the factor of each channel that doubles the part and leaves the others as they are.
    """

    module: nn.Module
    twice: Tensor | float = 2.0


Given = tuple[Tensor, Tensor | None]  # what an addition takes: of the sub-layer, and the residual


def additions_take_their_sublayer(subject: Subject, form: AdapterForm) -> None:
    """Without the last map of its sub-layer an addition takes something else of it, and the same residual."""
    model = subject.initialized()
    add_random(model, subject.case, form)
    model.set_active_adapters(None)
    inputs = subject.inputs(model, padded=False)
    with _additions(subject) as usual:
        run(model, inputs)
    for addition in _additions_with_ends(subject, model.base_model):
        judged = [_judged(subject, model, inputs, addition.slot, last, usual) for last in addition.ends]
        if "" not in judged and len(judged) >= addition.like_it and None not in judged:
            raise CheckFailed(f"{addition.what} {judged[0]}")


def _judged(
    subject: Subject,
    model: PreTrainedModel,
    inputs: Mapping[str, Any],
    slot: nn.Module,
    last: nn.Module,
    usual: Mapping[nn.Module, Given],
) -> str | None:
    """What is wrong with an addition if a map is the last one of its sub-layer; `None` if that cannot be told."""
    with _output_changed(last, torch.zeros_like) as changed, _additions(subject) as silenced:
        run(model, inputs)
    if slot not in usual or slot not in silenced or not changed:
        return None  # not run, or another way than by calling the module
    (branch, residual), (other_branch, other_residual) = usual[slot], silenced[slot]
    if torch.equal(branch, other_branch):
        return "does not take what its sub-layer makes"
    if residual is not None and other_residual is not None and not are_close(other_residual, residual):
        return "takes a residual that is not what goes into its sub-layer"
    return ""


def projections_play_their_roles(subject: Subject, form: AdapterForm) -> None:
    """
    Queries, keys and values run before what takes the attention's output on, which follows values in proportion; a
    query is for its own word alone.
    """
    model = subject.initialized()
    inputs = subject.inputs(model, padded=False)
    layers = list(places.placed_layers(subject.case.runtime, model.base_model))
    sublayers = [each for layer in layers for each in _sublayers(subject, layer)]
    order = _order_of_calls(model, inputs, {each.module for _, roles in sublayers for each in roles.values()})
    for what, roles in sublayers:
        _expect_in_order(order, what, roles)
        _expect_values(model, inputs, what, roles)
        _expect_queries(model, inputs, what, roles)
    for layer in layers:
        _expect_keys(layer)


def _expect_in_order(order: Mapping[nn.Module, int], what: str, roles: Mapping[str, _Map]) -> None:
    called = {role: order[each.module] for role, each in roles.items() if each.module in order}
    for last, earlier in EARLIER.items():
        late = [role for role in earlier if called.get(role, -1) > called.get(last, len(order))]
        if late:
            raise CheckFailed(f"{what}: {', '.join(late)} runs after {last}")


def _expect_values(model: PreTrainedModel, inputs: Mapping[str, Any], what: str, roles: Mapping[str, _Map]) -> None:
    """Twice the values make twice the output of the attention; neither queries nor keys do."""
    if not {"q", "k", "v", "o"} <= roles.keys():
        return
    last = roles["o"].module
    usual = _input_of(model, inputs, last)
    doubles = {role: _doubled(model, inputs, roles[role], last, usual) for role in ("q", "k", "v")}
    if not doubles["v"] and (doubles["q"] or doubles["k"]):
        raise CheckFailed(f"{what}: what is called v does not make the values")


def _expect_queries(model: PreTrainedModel, inputs: Mapping[str, Any], what: str, roles: Mapping[str, _Map]) -> None:
    """The query of the first word is for that word alone; its key is for all that see it."""
    if not {"q", "k", "o"} <= roles.keys():
        return
    last = roles["o"].module
    usual = _input_of(model, inputs, last)
    query, key = (_elsewhere(usual, _read_with(model, inputs, roles[role], last, _at_first)) for role in ("q", "k"))
    if query and not key:
        raise CheckFailed(f"{what}: what is called q does not make the queries")


def _elsewhere(usual: Tensor | None, changed: Tensor | None) -> bool:
    """Is anything else behind the first position? Positions stand in front of channels."""
    if usual is None or changed is None or usual.dim() < 2 or usual.shape != changed.shape:
        return False
    return not are_close(changed[..., 1:, :], usual[..., 1:, :])


def _at_first(output: Tensor, factor: Tensor | float) -> Tensor:
    changed = output.clone()
    changed[..., 0, :] = factor * changed[..., 0, :]
    return changed


def _expect_keys(layer: Any) -> None:
    """Where prefixes join the keys, the map of the keys has that role."""
    by_path = {place.path: place.parts for place in layer.sites.projections}
    for site in layer.sites.attention:
        if site.keys in by_path and "k" not in by_path[site.keys]:
            called = ", ".join(by_path[site.keys])
            raise CheckFailed(f"layer {layer.index}: {site.keys} makes the keys, and is called {called}")


def _sublayers(subject: Subject, layer: Any) -> Iterator[tuple[str, dict[str, _Map]]]:
    """(name, role → map) of each attention of a layer, and of the rest; of those with one map for a role."""
    found: dict[str, dict[str, list[_Map]]] = {}
    for place in layer.sites.projections:
        module = places.module_at(subject.case.runtime, layer.module, place)
        if module is not None:
            owner = _attention_of(place.path, layer) if place.parts[0] in "qkvo" else ""
            for role, played in _played(subject, layer, place, module).items():
                found.setdefault(owner, {}).setdefault(role, []).append(played)
    for owner, roles in found.items():
        alone = {role: maps[0] for role, maps in roles.items() if len(maps) == 1}
        yield f"layer {layer.index} {owner}".strip(), alone


def _played(subject: Subject, layer: Any, place: Any, module: nn.Module) -> dict[str, _Map]:
    """The roles of one module, with the part of its output that plays each, as the runtime finds it."""
    if len(place.parts) == 1:
        return {place.parts[0]: _Map(module)}
    runtime = subject.case.runtime
    placed = places.core(runtime, "placed").PlacedProjection(place.path, layer, place, module)
    width = places.core(runtime, "layers.lora.projection").features(module)[1]
    played = {}
    for role in place.parts:
        part = places.core(runtime, "fused").fused_parts(placed, tuple(role == other for other in place.parts))
        played[role] = _Map(module, part.spread(torch.full((part.count, part.width(width)), 2.0), fill=1.0))
    return played


def _attention_of(path: str, layer: Any) -> str:
    """The path of the attention that a projection belongs to: the one that shares most of its path."""
    shared = {site.path: shared_start(path, site.path) for site in layer.sites.attention}
    best = max(shared.values(), default=0)
    nearest = [site for site, count in shared.items() if count == best]
    return nearest[0] if len(nearest) == 1 else ""


def _additions_with_ends(subject: Subject, base: PreTrainedModel) -> Iterator[_Addition]:
    """Each addition of each layer, where the last maps of its kind of sub-layer are known."""
    for layer in places.placed_layers(subject.case.runtime, base):
        hosts = {site: places.module_at(subject.case.runtime, layer.module, site) for site in layer.sites.bottleneck}
        there = Counter(site.location for site, host in hosts.items() if host is not None)
        for site, host in hosts.items():
            if host is not None and (ends := _last_maps(subject, layer, site.location)):
                what = f"the addition {site.slot or site.host} of layer {layer.index}"
                slot = getattr(host, site.slot) if site.slot else host
                yield _Addition(what, slot, ends, there[site.location])


def _last_maps(subject: Subject, layer: Any, location: str) -> list[nn.Module]:
    kinds = {site.path: site.kind for site in layer.sites.attention}
    modules = []
    for place in layer.sites.projections:
        module = places.module_at(subject.case.runtime, layer.module, place)
        if module is None or place.parts != (LAST[location],):
            continue
        owner = _attention_of(place.path, layer)
        if location not in ATTENTION or kinds.get(owner) == ATTENTION[location]:
            modules.append(module)
    return modules


@contextmanager
def _additions(subject: Subject) -> Iterator[dict[nn.Module, Given]]:
    """What each addition takes when it is made first."""
    met: dict[nn.Module, Given] = {}

    def note(slot: nn.Module, hidden: Tensor, residual: Tensor | None, norms: Norms) -> None:
        met.setdefault(slot, (hidden.clone(), None if residual is None else residual.clone()))

    with noting_additions(subject.case.runtime, note):
        yield met


@contextmanager
def _output_changed(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[list[nn.Module]]:
    """Its first output is another; it is in the list as often as it is called."""
    called: list[nn.Module] = []

    def hook(module: nn.Module, _: Any, output: Any) -> Any:
        called.append(module)
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    with hooked([module.register_forward_hook(hook)]):
        yield called


def _order_of_calls(
    model: PreTrainedModel, inputs: Mapping[str, Any], modules: Iterable[nn.Module]
) -> dict[nn.Module, int]:
    """When each is called first."""
    order: dict[nn.Module, int] = {}

    def note(module: nn.Module, _: Any) -> None:
        order.setdefault(module, len(order))

    with hooked(module.register_forward_pre_hook(note) for module in modules):
        run(model, inputs)
    return order


def _input_of(model: PreTrainedModel, inputs: Mapping[str, Any], module: nn.Module) -> Tensor | None:
    """What it is given first."""
    given: list[Tensor] = []
    with hooked([module.register_forward_pre_hook(lambda _, arguments: given.extend(arguments[:1]))]):
        run(model, inputs)
    return given[0].clone() if given else None


def _doubled(
    model: PreTrainedModel, inputs: Mapping[str, Any], scaled: _Map, read: nn.Module, usual: Tensor | None
) -> bool:
    """Is twice as much read if one map gives twice as much?"""
    twice = _read_with(model, inputs, scaled, read, lambda output, factor: factor * output)
    return usual is not None and twice is not None and bool(usual.any()) and are_close(twice, 2 * usual)


def _read_with(
    model: PreTrainedModel,
    inputs: Mapping[str, Any],
    scaled: _Map,
    read: nn.Module,
    change: Callable[[Tensor, Tensor | float], Tensor],
) -> Tensor | None:
    """What a module is given when a map gives something else."""
    with _output_changed(scaled.module, lambda output: change(output, scaled.twice)):
        return _input_of(model, inputs, read)
