"""Does each addition take what its sub-layer makes, and does each projection do what its role says?

Asked of a model that runs, not of its code: the last map of a sub-layer is silenced, or values are doubled, and what
changes tells what is what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from adaptergen.verify import places
from adaptergen.verify.adapters import AdapterForm, add_random
from adaptergen.verify.outputs import CheckFailed, are_close, run
from adaptergen.verify.subjects import Subject


LAST = {"mh_adapter": "o", "cross_adapter": "o", "output_adapter": "down"}  # role of the last map of each sub-layer
EARLIER = {"o": ("q", "k", "v"), "down": ("gate", "up")}  # what runs before it
ATTENTION = {"mh_adapter": "self", "cross_adapter": "cross"}


@dataclass(frozen=True)
class _Addition:
    """
    Args:
        ends: the last maps of sub-layers of its kind; one of them is that of its own.
        like_it: how many additions of this kind the layer has.
    """

    what: str
    slot: nn.Module
    ends: Sequence[nn.Module]
    like_it: int


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
    with _outputs_changed([last], torch.zeros_like) as changed, _additions(subject) as silenced:
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
    """Queries, keys and values run before what takes the attention's output on, which follows values in proportion."""
    model = subject.initialized()
    inputs = subject.inputs(model, padded=False)
    for layer in places.placed_layers(subject.case.runtime, model.base_model):
        for what, roles in _sublayers(subject, layer):
            for last, earlier in EARLIER.items():
                _expect_in_order(model, inputs, what, roles, last, earlier)
            _expect_values(model, inputs, what, roles)
        _expect_keys(subject, layer)


def _expect_in_order(
    model: PreTrainedModel,
    inputs: Mapping[str, Any],
    what: str,
    roles: Mapping[str, nn.Module],
    last: str,
    earlier: Sequence[str],
) -> None:
    before = [role for role in earlier if role in roles]
    if last not in roles or not before:
        return
    order = _order_of_calls(model, inputs, {role: roles[role] for role in (last, *before)})
    late = [role for role in before if role in order and last in order and order[role] > order[last]]
    if late:
        raise CheckFailed(f"{what}: {', '.join(late)} runs after {last}")


def _expect_values(
    model: PreTrainedModel, inputs: Mapping[str, Any], what: str, roles: Mapping[str, nn.Module]
) -> None:
    """Twice the values make twice the output of the attention; neither queries nor keys do."""
    if not {"q", "k", "v", "o"} <= roles.keys():
        return
    usual = _input_of(model, inputs, roles["o"])
    doubles = {role: _doubled(model, inputs, roles[role], roles["o"], usual) for role in ("q", "k", "v")}
    if not doubles["v"] and (doubles["q"] or doubles["k"]):
        raise CheckFailed(f"{what}: what is called v does not make the values")


def _expect_keys(subject: Subject, layer: Any) -> None:
    """Where prefixes join the keys, the map of the keys has that role."""
    by_path = {place.path: place.parts for place in layer.sites.projections}
    for site in layer.sites.attention:
        if site.keys in by_path and "k" not in by_path[site.keys]:
            called = ", ".join(by_path[site.keys])
            raise CheckFailed(f"layer {layer.index}: {site.keys} makes the keys, and is called {called}")


def _sublayers(subject: Subject, layer: Any) -> Iterator[tuple[str, dict[str, nn.Module]]]:
    """(name, role → module) of each attention of a layer, and of the rest; of those with one module for a role."""
    found: dict[str, dict[str, list[nn.Module]]] = {}
    for place in layer.sites.projections:
        module = places.module_at(subject.case.runtime, layer.module, place)
        if module is not None and len(place.parts) == 1:
            owner = _attention_of(place.path, layer) if place.parts[0] in "qkvo" else ""
            found.setdefault(owner, {}).setdefault(place.parts[0], []).append(module)
    for owner, roles in found.items():
        alone = {role: modules[0] for role, modules in roles.items() if len(modules) == 1}
        yield f"layer {layer.index} {owner}".strip(), alone


def _attention_of(path: str, layer: Any) -> str:
    """The path of the attention that a projection belongs to: the one that shares most of its path."""
    shared = {site.path: _shared(path, site.path) for site in layer.sites.attention}
    best = max(shared.values(), default=0)
    nearest = [site for site, count in shared.items() if count == best]
    return nearest[0] if len(nearest) == 1 else ""


def _shared(path: str, other: str) -> int:
    """How many components two paths have in common from the start."""
    pairs = zip(path.split("."), other.split("."), strict=False)
    return next((count for count, (a, b) in enumerate(pairs) if a != b), min(path.count("."), other.count(".")) + 1)


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
    layer_class = places.core(subject.case.runtime, "layers").AdapterLayerMixin
    original = layer_class.adapter_layer_forward
    met: dict[nn.Module, Given] = {}

    def noted(slot: nn.Module, hidden: Tensor, residual: Tensor | None, *norm: Any, **inner_norm: Any) -> Any:
        met.setdefault(slot, (hidden.clone(), None if residual is None else residual.clone()))
        return original(slot, hidden, residual, *norm, **inner_norm)

    with patch.object(layer_class, "adapter_layer_forward", noted):
        yield met


@contextmanager
def _outputs_changed(modules: Sequence[nn.Module], change: Callable[[Tensor], Tensor]) -> Iterator[set[nn.Module]]:
    """The first output of each is another; which of them have been run."""
    changed: set[nn.Module] = set()

    def hook(module: nn.Module, _: Any, output: Any) -> Any:
        changed.add(module)
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield changed
    finally:
        for handle in handles:
            handle.remove()


def _order_of_calls(
    model: PreTrainedModel, inputs: Mapping[str, Any], modules: Mapping[str, nn.Module]
) -> dict[str, int]:
    """When each is called first."""
    order: dict[str, int] = {}

    def note(role: str) -> None:
        order.setdefault(role, len(order))

    handles = [module.register_forward_pre_hook(lambda *_, role=role: note(role)) for role, module in modules.items()]
    try:
        run(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
    return order


def _input_of(model: PreTrainedModel, inputs: Mapping[str, Any], module: nn.Module) -> Tensor | None:
    """What it is given first."""
    given: list[Tensor] = []
    handle = module.register_forward_pre_hook(lambda _, arguments: given.extend(arguments[:1]))
    try:
        run(model, inputs)
    finally:
        handle.remove()
    return given[0].clone() if given else None


def _doubled(
    model: PreTrainedModel, inputs: Mapping[str, Any], scaled: nn.Module, read: nn.Module, usual: Tensor | None
) -> bool:
    """Is twice as much read if one module gives twice as much?"""
    with _outputs_changed([scaled], lambda output: 2 * output):
        twice = _input_of(model, inputs, read)
    return usual is not None and twice is not None and bool(usual.any()) and are_close(twice, 2 * usual)
