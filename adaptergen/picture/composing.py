"""IntegrationPlan → Picture: what a plan says of every site, sorted as it is drawn."""

from __future__ import annotations

import itertools
import typing
from collections.abc import Iterator

from msgspec.structs import replace

from adaptergen.facts import Role
from adaptergen.picture.branches import Branch, branches_of
from adaptergen.picture.model import (
    Addition,
    Hook,
    HookKind,
    LayerPicture,
    Method,
    Parallel,
    Part,
    Picture,
    StackPicture,
    SubLayer,
)
from adaptergen.plan import BottleneckPlace, IntegrationPlan, LayerPlan, ResidualHook, StackPlan, SubModelPlan
from adaptergen.source import SourceModule


# What a hook is for: it is refused where all of these are.
_METHODS: dict[HookKind, tuple[str, ...]] = {
    "bottleneck": ("bottleneck",),
    "projection": ("lora", "ia3"),
    "prefix": ("prefix_tuning",),
    "invertible": ("invertible",),
    "prompt": ("prompt_tuning",),
    "reft": ("reft",),
}
_PREFIXED = "self."
_ROLES = typing.get_args(Role)


def picture_of(plan: IntegrationPlan, source: SourceModule | None = None) -> Picture:
    """What is drawn of a plan; its source tells the order of additions in modules below a layer."""
    return Picture(
        name=plan.name,
        title=plan.title,
        source=f"{plan.source.path or plan.source.module}, transformers {plan.source.transformers}",
        methods=tuple(Method(name, told.supported, told.because) for name, told in plan.methods.items()),
        parts=tuple(_part(model) for model in plan.sub_models),
        parts_hooks=tuple(_entry_hooks(plan, "in the model that embeds the words")) if _has_several(plan) else (),
        layers=tuple(_layer(plan, layer, source) for layer in plan.layers),
    )


def _part(model: SubModelPlan) -> Part:
    return Part(model.path, f"{model.made_by} of config.{model.config}" if model.config else model.made_by)


def _has_several(plan: IntegrationPlan) -> bool:
    """Several towers or other models, of which one embeds the words: which one, only a model tells."""
    return bool(plan.sub_models) or len({stack.config for stack in plan.stacks}) > 1


def _hook(plan: IntegrationPlan, kind: HookKind, label: str, **told: str) -> Hook:
    return Hook(kind, label, refused=_refusal(plan, kind), **told)


def _refusal(plan: IntegrationPlan, kind: HookKind) -> str:
    """Why none of its methods works; "" if one does."""
    is_taken = any(plan.methods[method].supported for method in _METHODS[kind] if method in plan.methods)
    return "" if is_taken else _said(plan, kind)


def _said(plan: IntegrationPlan, kind: HookKind) -> str:
    """What the plan says of the first of its methods that it knows."""
    return next((plan.methods[method].because for method in _METHODS[kind] if method in plan.methods), "not planned")


def _missing(plan: IntegrationPlan, kind: HookKind, label: str) -> Hook:
    """A site of a sub-layer for which the plan has no place; what is said of the method tells which it has."""
    return Hook(kind, label, refused=_said(plan, kind))


def _layer(plan: IntegrationPlan, layer: LayerPlan, source: SourceModule | None) -> LayerPicture:
    running = tuple(_stacks(plan, layer.cls))
    return LayerPicture(layer.cls, running, tuple(_sub_layers(plan, layer, source)), _exit(plan, layer.cls))


def _exit(plan: IntegrationPlan, cls: str) -> Hook:
    stacks = [stack for _, stack in _all_stacks(plan) if stack.layer == cls]
    hook = _hook(plan, "reft", "reft", because="what leaves the layer")
    if stacks and not hook.refused and all(stack.packed for stack in stacks):
        return replace(hook, refused="all examples are one sequence here, so that positions in it tell nothing")
    return hook


def _all_stacks(plan: IntegrationPlan) -> Iterator[tuple[str, StackPlan]]:
    """(the class that it is a path from, or "", stack) of all stacks, those of parts that can stand alone last."""
    yield from (("", stack) for stack in plan.stacks)
    yield from ((tower.cls, stack) for tower in plan.towers for stack in tower.stacks)


def _stacks(plan: IntegrationPlan, cls: str) -> Iterator[StackPicture]:
    for model, stack in _all_stacks(plan):
        if stack.layer == cls:
            is_first = not _has_several(plan) and not model and stack is plan.stacks[0]
            after = f"after {stack.entry}" if stack.entry else "the input of the first layer"
            hooks = tuple(_entry_hooks(plan, after)) if is_first else ()
            yield StackPicture(model, stack.kind, stack.layers, stack.entry, hooks)


def _entry_hooks(plan: IntegrationPlan, where: str) -> Iterator[Hook]:
    yield _hook(plan, "invertible", "invertible", because=where, path=where)
    yield _hook(plan, "prompt", "prompt", because="among the embeddings", path="among the embeddings")


def _sub_layers(plan: IntegrationPlan, layer: LayerPlan, source: SourceModule | None) -> Iterator[SubLayer]:
    before: tuple[ResidualHook, ...] = ()
    for branch in branches_of(layer, source):
        edits = _edits(plan, layer.cls, branch.place)
        yield SubLayer(
            branch.kind,
            branch.attention.path if branch.attention else _common_path(branch),
            tuple(_branch_hooks(plan, branch)),
            _addition(plan, branch.place, edits, _parallel(edits, before)),
        )
        before = edits


def _branch_hooks(plan: IntegrationPlan, branch: Branch) -> Iterator[Hook]:
    if (attention := branch.attention) is not None:
        yield _hook(plan, "prefix", "prefix", path=attention.keys, because=attention.because, at=attention.at)
    elif branch.kind != "feed-forward":
        yield _missing(plan, "prefix", "prefix")
    for held in sorted(branch.projections, key=lambda projection: _ROLES.index(projection.roles[0])):
        yield _hook(plan, "projection", " ".join(held.roles), path=held.path, because=held.because, at=held.at)


def _common_path(branch: Branch) -> str:
    """What the paths of its modules have in common: `mlp` for `mlp.fc1` and `mlp.fc2`."""
    modules = [projection.path.split(".")[:-1] for projection in branch.projections]
    if not modules and branch.place:
        return branch.place.host
    together = zip(*modules, strict=False)
    return ".".join(names[0] for names in itertools.takewhile(lambda names: len(set(names)) == 1, together))


def _addition(
    plan: IntegrationPlan, place: BottleneckPlace | None, edits: tuple[ResidualHook, ...], parallel: Parallel
) -> Addition:
    if place is None:
        return Addition(_missing(plan, "bottleneck", "bottleneck"))
    path = ".".join(filter(None, (place.host, place.slot)))
    hook = _hook(plan, "bottleneck", place.location, path=path, because=place.because, at=place.at)
    return Addition(
        hook,
        inner_norm=_first(edit.inner_norm for edit in edits),
        norm=_first(edit.norm for edit in edits),
        condition=_condition(place),
        parallel=parallel,
    )


def _condition(place: BottleneckPlace) -> str:
    told = {"if there is": place.needs, "if it is a": place.of}
    return ", ".join(f"{words} {name}" for words, name in told.items() if name)


def _first(norms: Iterator[str]) -> str:
    return next(filter(None, norms), "").removeprefix(_PREFIXED)


def _edits(plan: IntegrationPlan, cls: str, place: BottleneckPlace | None) -> tuple[ResidualHook, ...]:
    """The additions that the adapters of a place are called in: several, if only one of them happens.

    A layer's own additions are those of its class; of a module below it, the plan has the class only as that of the
    statement that the place was found at.
    """
    if place is None:
        return ()
    found = [edit for edit in plan.residuals if edit.slot == place.slot]
    owners = {place.of} if place.of else {edit.cls for edit in found if edit.at == place.at}
    if not place.host:
        owners = {cls} if any(edit.cls == cls for edit in found) else owners
    return tuple(edit for edit in found if edit.cls in owners)


def _parallel(edits: tuple[ResidualHook, ...], before: tuple[ResidualHook, ...]) -> Parallel:
    """Does one statement add this and what is before it?"""
    own, others = ({_statement(edit) for edit in each} for each in (edits, before))
    if set(edits) & set(before) or not own & others:
        return "never"
    return "always" if own <= others else "sometimes"


def _statement(edit: ResidualHook) -> tuple[str, str, str, int]:
    return edit.cls, edit.method, edit.statement, edit.nth
