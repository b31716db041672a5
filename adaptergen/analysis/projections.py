"""Which linear modules of a layer project queries, keys, values and outputs, and which make its feed-forward?

query, key, value = self.c_attn(hidden_states).split(self.split_size, dim=2)    c_attn: q, k, v
down_proj = self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))    gate, up, down
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from msgspec import Struct

from adaptergen.analysis.additions import Addition, additions
from adaptergen.analysis.attention import AttentionCall, attention_calls, is_unclear_attention
from adaptergen.analysis.bare_weights import bare_weights
from adaptergen.analysis.blocks import TracedLayer
from adaptergen.analysis.feed_forward import feed_forwards, gates_of
from adaptergen.analysis.layout import ALL, Channels, Even, Span, channels
from adaptergen.analysis.terms import between
from adaptergen.facts import Projection, Role
from adaptergen.problems import Location
from adaptergen.tracing.graph import (
    is_linear_call,
    reached,
    walk,
)
from adaptergen.tracing.values import Call, Instance, Value


class Use(Struct, frozen=True, eq=False):
    """A linear call whose output, or a part of it, plays a role."""

    role: Role
    call: Call
    channels: Channels = ALL

    @property
    def path(self) -> str:
        assert isinstance(self.call.callee, Instance)
        return self.call.callee.path


def find_projections(layer: TracedLayer) -> tuple[tuple[Projection, ...], tuple[str, ...]]:
    """The projections of a layer in the order in which they are reached, and what was not understood."""
    calls = attention_calls(layer)
    by_path: dict[str, list[Use]] = {}
    for use in (*_attention_uses(calls), *_branch_uses(layer, calls)):
        by_path.setdefault(use.path, []).append(use)
    found: list[Projection] = []
    unclear: list[str] = []
    for path, uses in by_path.items():
        at = uses[0].call.at
        projection = _projection(path, uses, at.module.at(at.statement))
        if projection is None:
            played = ", ".join(sorted({use.role for use in uses}))
            unclear.append(f"{path} plays {played}, but how its output is divided is not understood")
        else:
            found.append(projection)
    unclear += [f"{path}, which is a parameter and no linear module" for path in bare_weights(layer)]
    return tuple(found), tuple(unclear)


def _projection(path: str, uses: list[Use], at: Location) -> Projection | None:
    """One role for the whole output, or one for each part of it."""
    if len({use.role for use in uses}) == 1:
        return Projection(path, (uses[0].role,), at)
    roles = {use.channels: use.role for use in uses}
    if len(roles) != len({(use.channels, use.role) for use in uses}):
        return None
    even = {part: role for part, role in roles.items() if isinstance(part, Even)}
    spans = {part: role for part, role in roles.items() if isinstance(part, Span)}
    if len(even) == len(roles):
        return _evenly(path, even, at)
    return _by_width(path, spans, at) if len(spans) == len(roles) else None


def _evenly(path: str, parts: dict[Even, Role], at: Location) -> Projection | None:
    groups = {part.group for part in parts}
    ordered = sorted(parts, key=lambda part: part.index)
    if len(groups) > 1 or [part.index for part in ordered] != [*range(len(parts))]:
        return None
    return Projection(path, tuple(parts[part] for part in ordered), at, group=groups.pop())


def _by_width(path: str, parts: dict[Span, Role], at: Location) -> Projection | None:
    """Spans that follow each other, from the first channel to the last."""
    groups = {span.group for span in parts}
    starts = {span.lower: span for span in parts}
    ordered: list[Span] = []
    while not ordered or ordered[-1].upper is not None:
        span = starts.pop(ordered[-1].upper if ordered else None, None)
        if span is None:
            return None
        ordered.append(span)
    ends = [span.upper for span in ordered[:-1]]
    widths = [between(low, up) for low, up in zip([None, *ends], [*ends, *groups], strict=False)]
    if starts or len(groups) > 1 or None in widths:
        return None
    return Projection(path, tuple(parts[span] for span in ordered), at, widths=tuple(width or "" for width in widths))


def _attention_uses(calls: list[AttentionCall]) -> Iterator[Use]:
    for call in calls:
        states: tuple[tuple[Role, Value], ...] = (("q", call.query), ("k", call.key), ("v", call.value))
        for role, state in states:
            yield from (Use(role, linear, chosen) for linear, chosen in channels(state))


def _branch_uses(layer: TracedLayer, calls: list[AttentionCall]) -> Iterator[Use]:
    """
    The last linear call of each branch: of an attention it is the output, the others may end feed-forwards.

    What ended a branch before lies behind an addition: it ends no later one that is made from that.
    """
    outputs = {id(call.output) for call in calls}
    ends: list[tuple[Call, Addition]] = []
    ended: set[int] = set()
    for addition in additions(layer):
        if is_unclear_attention(addition.branch, addition.stream, calls):
            continue
        for last in _last_calls(addition, outputs):
            if id(last) in ended:
                continue
            ended.add(id(last))
            if any(id(value) in outputs for value in walk(last, stop=addition.stream)):
                yield Use("o", last)
            else:
                ends.append((last, addition))
    yield from (Use(role, call) for role, call in feed_forwards(ends))


def _last_calls(addition: Addition, outputs: Collection[int]) -> Iterator[Call]:
    """The linear calls that end a branch; not those whose outputs only say how much of it is added."""
    gates = gates_of(addition)

    def ends(value: Value) -> bool:
        return is_linear_call(value) or id(value) in gates or id(value) in outputs

    for last in reached(addition.branch, ends, stop=addition.stream):
        if isinstance(last, Call) and is_linear_call(last) and id(last) not in outputs:
            yield last
