"""What is different in two plans of one architecture? Entries are the same that are for the same thing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal, TypeVar

from msgspec import Struct

from adaptergen.plan import Classes, Decision, IntegrationPlan


Kind = Literal["new", "gone", "changed"]
Entry = TypeVar("Entry", Decision, Classes)
ABOUT = frozenset({"because", "at", "by", "imports"})  # what tells about a decision and is none


class Difference(Struct, frozen=True):
    """
    One entry that came, went or changed.

    Args:
        kind: "new", "gone" or "changed".
        what: what it is for: `addition CaseLayer.output_adapters`.
        was_at, at: where it stood, and where it stands.
        changes: field → what it was and what it is, of an entry that changed.
        because: why it stands where it stands.
    """

    kind: Kind
    what: str
    was_at: str = ""
    at: str = ""
    changes: Mapping[str, tuple[object, object]] = {}
    because: str = ""

    def __str__(self) -> str:
        places = " -> ".join(dict.fromkeys(filter(None, (self.was_at, self.at))))
        lines = [
            f"{self.kind}: {self.what}" + (f" ({places})" if places else ""),
            *(f"  {name}: {_told(was, now)}" for name, (was, now) in self.changes.items()),
            *([f"  because: {self.because}"] if self.because else []),
        ]
        return "\n".join(lines)


def differences(before: IntegrationPlan, after: IntegrationPlan) -> tuple[Difference, ...]:
    """All but where entries stand and what is told of them, in the order of the plan that is now."""
    old, new = dict(_entries(before)), dict(_entries(after))
    classes = _changes(before.classes, after.classes)
    return (
        *([Difference("changed", "classes", changes=classes)] if classes else []),
        *(each for what, entry in new.items() if (each := _difference(what, old.get(what), entry))),
        *(Difference("gone", what, was_at=entry.at) for what, entry in old.items() if what not in new),
    )


def _difference(what: str, old: Decision | None, new: Decision) -> Difference | None:
    if old is None:
        return Difference("new", what, at=new.at, because=new.because)
    changes = _changes(old, new)
    return Difference("changed", what, old.at, new.at, changes, new.because) if changes else None


def _changes(old: Entry, new: Entry) -> dict[str, tuple[object, object]]:
    names = [name for name in new.__struct_fields__ if name not in ABOUT]
    both = ((name, _decided(old, name), _decided(new, name)) for name in names)
    return {name: (was, now) for name, was, now in both if was != now}


def _decided(entry: Entry, name: str) -> object:
    """The value of a field; of the parameters of a forward their names, as the rest is upstream's text."""
    value = getattr(entry, name)
    return tuple(re.split(r"\W", each)[0] for each in value) if name == "parameters" else value


def _told(was: object, now: object) -> str:
    """Two values, of lists what went and what came."""
    if not isinstance(was, tuple) or not isinstance(now, tuple):
        return f"{was!r} -> {now!r}"
    gone, new = ([each for each in some if each not in others] for some, others in ((was, now), (now, was)))
    return ", ".join([*(f"without {each!r}" for each in gone), *(f"with {each!r}" for each in new)]) or "another order"


def count_moved(before: IntegrationPlan, after: IntegrationPlan) -> int:
    """How many entries stand at another line."""
    old = dict(_entries(before))
    return sum(old[what].at != entry.at for what, entry in _entries(after) if what in old)


def entries_by_hand(plan: IntegrationPlan) -> tuple[tuple[str, Decision], ...]:
    """(what it is for, entry) of all that a person has decided."""
    return tuple((what, entry) for what, entry in _entries(plan) if entry.by == "hand")


def _entries(plan: IntegrationPlan) -> Iterator[tuple[str, Decision]]:
    """Each entry, and what it is for; of several for the same, the later ones are numbered."""
    met: Counter[str] = Counter()
    for what, entry in _named(plan):
        met[what] += 1
        yield (what if met[what] == 1 else f"{what} ({met[what]})"), entry


def _named(plan: IntegrationPlan) -> Iterator[tuple[str, Decision]]:
    yield from ((f"method {name}", method) for name, method in plan.methods.items())
    yield "adapter model", plan.adapter_model
    yield from (("stack of layers", stack) for stack in plan.stacks)
    for tower in plan.towers:
        yield from ((f"stack of layers of {tower.cls}", stack) for stack in tower.stacks)
    yield from ((f"model inside at {model.path}", model) for model in plan.sub_models)
    for layer in plan.layers:
        yield from ((f"{layer.cls}: place of {each.location}", each) for each in layer.bottleneck)
        yield from ((f"{layer.cls}: {each.kind}-attention", each) for each in layer.attention)
        yield from ((f"{layer.cls}: projection {'+'.join(each.roles)}", each) for each in layer.projections)
    yield from ((f"addition {hook.cls}.{hook.slot or hook.method}", hook) for hook in plan.residuals)
    yield from ((f"prefixes {hook.cls}.{hook.method}", hook) for hook in plan.prefixes)
    yield from ((f"head {head.cls}", head) for head in plan.heads)
    yield from ((f"configuration name {alias.canonical}", alias) for alias in plan.config_names)
    yield "tiny configuration", plan.tiny_config
