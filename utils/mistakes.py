"""Mistakes that a plan, or the runtime, can have: what they are, and how they are written into a right one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace
from scratch import ROOT

from adaptergen.plan import BottleneckPlace, IntegrationPlan, LayerPlan, PrefixHook, ProjectionPlace, ResidualHook
from adaptergen.sources import source_of
from adaptergen.upstream import installed_transformers


CACHE_UPDATE = re.compile(r"\.update\(")
WRITING = {"masked_lm", "causal_lm", "seq2seq_lm"}
UNDONE = ("generated/core/methods/invertible.py", "    _undo_here(adapters, model.inverse_site())\n", "")
NORM = "        norm = inner_norm if is_inner else layer_norm\n"
FIRST_NORM = '        norm = type(self).first_norm = getattr(type(self), "first_norm", norm)\n'
NORM_OF_THE_FIRST = ("generated/core/layers/adapter_layer.py", NORM, NORM + FIRST_NORM)

Mutate = Callable[[IntegrationPlan], IntegrationPlan | str]


@dataclass(frozen=True)
class Mistake:
    """
    Args:
        title: what is wrong.
        mutate: writes it into a plan; where the architecture has nothing of the kind, says why.
        edit: file of the runtime, text in it and what comes in its place, where no plan can be so wrong.
    """

    title: str
    mutate: Mutate
    edit: tuple[str, str, str] | None = None


def wrong_residual(plan: IntegrationPlan) -> IntegrationPlan | str:
    """The adapters of two additions change places: by their slots in one class, or by what two classes are for."""
    found = _of_one_class(plan.residuals)
    if found is not None:
        first, second = found
        exchanged = {first: _by_hand(first, slot=second.slot), second: _by_hand(second, slot=first.slot)}
        return _with_residuals(plan, exchanged)
    for layer in plan.layers:
        places = {place.location: place for place in layer.bottleneck}
        first, second = places.get("mh_adapter"), places.get("output_adapter")
        if first and second:
            # of entries for the same location the first is replaced, so both have to be by hand
            exchanged = {first: second, second: first}
            hosts = {place: {"host": other.host, "of": other.of} for place, other in exchanged.items()}
            return _with_places(plan, layer, hosts)
    return "no layer has two additions"


def swapped_operands(plan: IntegrationPlan) -> IntegrationPlan | str:
    if not plan.residuals:
        return "no addition is hooked"
    hook = plan.residuals[-1]
    return _with_residuals(plan, {hook: _by_hand(hook, branch=hook.residual, residual=hook.branch)})


def norm_of_another(plan: IntegrationPlan) -> IntegrationPlan | str:
    """Of two additions of a class that are followed by a norm, one gets the norm of the other."""
    normed = [hook for hook in plan.residuals if hook.norm]
    found = next(((a, b) for a in normed for b in normed if a.cls == b.cls and a.norm != b.norm), None)
    if found is None:
        return "no class has two additions that are followed by norms"
    return _with_residuals(plan, {found[0]: _by_hand(found[0], norm=found[1].norm)})


def norm_of_the_first(plan: IntegrationPlan) -> IntegrationPlan | str:
    """Adapters of all layers are given the norm of the first one: the plan is right, the runtime is not."""
    return plan if any(hook.norm or hook.inner_norm for hook in plan.residuals) else "no norm belongs to an addition"


def dropped_hook(plan: IntegrationPlan) -> IntegrationPlan | str:
    """The place of an addition is declared, and nothing calls it: another is hooked twice, or it is never there."""
    found = _of_one_class(plan.residuals)
    if found is not None:
        first, second = found
        twice = {name: getattr(first, name) for name in ("statement", "nth", "addition", "branch", "residual")}
        return _with_residuals(plan, {second: _by_hand(second, **twice)})
    layer = next((layer for layer in plan.layers if layer.bottleneck), None)
    if layer is None:
        return "no layer has a place for bottlenecks"
    return _with_places(plan, layer, {layer.bottleneck[-1]: {"needs": "gone"}})


def prefix_before_the_cache(plan: IntegrationPlan) -> IntegrationPlan | str:
    """The prefix joins keys and values in front of the statement that puts them into the cache."""
    source = source_of(plan, ROOT, installed_transformers())
    for hook in plan.prefixes:
        method = source.classes[hook.cls].methods[hook.method]
        update = next((s for s in source.statements(method) if CACHE_UPDATE.search(source.header(s))), None)
        if update is not None and not hook.function:
            return _with_prefix(plan, hook, statement=source.header(update), nth=0)
    return "no attention has a cache"


def inverted_mask(plan: IntegrationPlan) -> IntegrationPlan | str:
    hook = next((hook for hook in plan.prefixes if hook.mask and not hook.mask_is_none), None)
    return "no attention takes a mask" if hook is None else _with_prefix(plan, hook, mask_hides=not hook.mask_hides)


def wrong_projection(plan: IntegrationPlan) -> IntegrationPlan | str:
    """The output projection of attention is taken for that of the values, or one part of a fused map for another."""
    for layer in plan.layers:
        places = {place.roles: place for place in layer.projections}
        first, second = places.get(("v",)), places.get(("o",))
        if first and second:
            exchanged = {first: _by_hand(first, roles=("o",)), second: _by_hand(second, roles=("v",))}
            return _with_projections(plan, layer, exchanged)
        fused = next((place for place in layer.projections if len(place.roles) > 1), None)
        if fused:
            return _with_projections(plan, layer, {fused: _by_hand(fused, roles=fused.roles[::-1])})
    return "values have no map of their own or in common with others"


def missing_inverse(plan: IntegrationPlan) -> IntegrationPlan | str:
    """Where words are written, the invertible adapter is not undone: the plan is right, the runtime is not."""
    return plan if WRITING & set(plan.adapter_model.head_types) else "it writes no words"


def wrong_conversion(plan: IntegrationPlan) -> IntegrationPlan | str:
    """The weights of a fixed head go to the wrong layers of the flexible one, or nowhere if there is but one."""
    weighted = {head.cls: [name for name in head.modules if name] for head in plan.heads}
    for head in sorted(plan.heads, key=lambda head: -len(weighted[head.cls])):
        names = weighted[head.cls]
        if names:
            turned = iter(reversed(names) if len(names) > 1 else [""])
            return _with_head(plan, head.cls, modules=tuple(next(turned) if name else "" for name in head.modules))
    return "no class with a fixed head has weights for a flexible one"


def _of_one_class(hooks: Sequence[ResidualHook]) -> tuple[ResidualHook, ResidualHook] | None:
    """Two that are told apart by their slots alone."""
    return next(((a, b) for a in hooks for b in hooks if a.cls == b.cls and a.slot < b.slot and a.slot), None)


def _by_hand(entry, /, **changes):
    return replace(entry, by="hand", because="planted", **changes)


def _with_residuals(plan: IntegrationPlan, changed: dict[ResidualHook, ResidualHook]) -> IntegrationPlan:
    return replace(plan, residuals=tuple(changed.get(hook, hook) for hook in plan.residuals))


def _with_prefix(plan: IntegrationPlan, hook: PrefixHook, **changes: object) -> IntegrationPlan:
    return replace(plan, prefixes=tuple(_by_hand(h, **changes) if h is hook else h for h in plan.prefixes))


def _with_projections(
    plan: IntegrationPlan, layer: LayerPlan, changed: dict[ProjectionPlace, ProjectionPlace]
) -> IntegrationPlan:
    return _with_layer(plan, layer, projections=tuple(changed.get(place, place) for place in layer.projections))


def _with_places(
    plan: IntegrationPlan, layer: LayerPlan, changes: dict[BottleneckPlace, dict[str, object]]
) -> IntegrationPlan:
    places = tuple(_by_hand(each, **changes[each]) if each in changes else each for each in layer.bottleneck)
    return _with_layer(plan, layer, bottleneck=places)


def _with_layer(plan: IntegrationPlan, layer: LayerPlan, **changes: object) -> IntegrationPlan:
    other = replace(layer, **changes)
    return replace(plan, layers=tuple(other if each is layer else each for each in plan.layers))


def _with_head(plan: IntegrationPlan, cls: str, **changes: object) -> IntegrationPlan:
    return replace(plan, heads=tuple(_by_hand(h, **changes) if h.cls == cls else h for h in plan.heads))


MISTAKES = (
    Mistake("hook at the wrong residual", wrong_residual),
    Mistake("swapped operands", swapped_operands),
    Mistake("norm of another addition", norm_of_another),
    Mistake("norm of another layer", norm_of_the_first, NORM_OF_THE_FIRST),
    Mistake("dropped hook", dropped_hook),
    Mistake("prefix before the cache update", prefix_before_the_cache),
    Mistake("inverted mask", inverted_mask),
    Mistake("LoRA on the wrong projection", wrong_projection),
    Mistake("missing inverse", missing_inverse, UNDONE),
    Mistake("wrong head conversion", wrong_conversion),
)
