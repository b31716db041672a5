"""Which linear modules of a layer project queries, keys, values and outputs, and which make its feed-forward?

query, key, value = self.c_attn(hidden_states).split(self.split_size, dim=2)    c_attn: q, k, v
down_proj = self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))    gate, up, down
"""

from __future__ import annotations

from collections.abc import Iterator

from adaptergen.analysis.additions import Addition, additions
from adaptergen.analysis.attention import AttentionCall, attention_calls, is_unclear_attention
from adaptergen.analysis.blocks import TracedLayer
from adaptergen.analysis.states import Part, projected
from adaptergen.facts import Projection, Role
from adaptergen.tracing.graph import (
    depends_on,
    is_dropout,
    is_linear,
    is_linear_call,
    is_norm,
    module_of,
    reached,
    walk,
)
from adaptergen.tracing.values import Call, Operation, Value


ACTIVATIONS = frozenset(("gelu", "relu", "silu", "swish", "tanh", "sigmoid", "softplus", "leaky_relu", "elu", "mish"))


def find_projections(layer: TracedLayer) -> tuple[tuple[Projection, ...], tuple[str, ...]]:
    """The projections of a layer in the order in which they are reached, and what was not understood."""
    calls = attention_calls(layer)
    uses = [*_attention_uses(calls), *_branch_uses(layer, calls)]
    by_path: dict[str, list[tuple[Role, Part]]] = {}
    for role, part in uses:
        by_path.setdefault(part.path, []).append((role, part))
    found: list[Projection] = []
    unclear: list[str] = []
    for path, users in by_path.items():
        roles = _roles(users)
        if roles is None:
            played = ", ".join(sorted({role for role, _ in users}))
            unclear.append(f"{path} plays {played}, but how its output is divided is not understood")
        else:
            module = users[0][1].call.at.module
            found.append(Projection(path, roles, module.at(users[0][1].call.at.statement)))
    return tuple(found), tuple(unclear)


def _roles(users: list[tuple[Role, Part]]) -> tuple[Role, ...] | None:
    """One role for the whole output, or one for each equal part of it."""
    roles = {role for role, _ in users}
    parts = {part.index for _, part in users}
    if len(roles) == 1:
        return (users[0][0],)
    by_index = {part.index: role for role, part in users}
    if (
        None in parts
        or len(by_index) != len(roles)
        or sorted(i for i in parts if i is not None) != [*range(len(parts))]
    ):
        return None
    return tuple(by_index[index] for index in range(len(by_index)))


def _attention_uses(calls: list[AttentionCall]) -> Iterator[tuple[Role, Part]]:
    for call in calls:
        states: tuple[tuple[Role, Value], ...] = (("q", call.query), ("k", call.key), ("v", call.value))
        for role, state in states:
            yield from ((role, part) for part in projected(state))


def _branch_uses(layer: TracedLayer, calls: list[AttentionCall]) -> Iterator[tuple[Role, Part]]:
    """The last linear call of each branch: what follows an attention is its output, the others end feed-forwards."""
    outputs = {id(call.output) for call in calls}
    for addition in additions(layer):
        if is_unclear_attention(addition.branch, addition.stream, calls):
            continue
        for last in reached(addition.branch, is_linear_call, stop=addition.stream):
            assert isinstance(last, Call)
            if any(id(value) in outputs for value in walk(last, stop=addition.stream)):
                yield "o", Part(last, None)
            else:
                yield from _feed_forward(last, addition)


def _feed_forward(down: Call, addition: Addition) -> Iterator[tuple[Role, Part]]:
    """`down(act(up(x)))`, or `down(act(gate(x)) * up(x))`; anything else has no clear roles but `down`."""
    inner = [c for c in reached(down.args[0], is_linear_call, stop=addition.stream) if isinstance(c, Call)]
    if not inner:
        return
    yield "down", Part(down, None)
    if len(inner) == 1:
        yield "up", Part(inner[0], None)
    elif len(inner) == 2:
        activated = [call for call in inner if _is_activated(down.args[0], call)]
        if len(activated) == 1:
            yield from ((("gate" if call in activated else "up"), Part(call, None)) for call in inner)


def _is_activated(product: Value, call: Call) -> bool:
    """Does the call reach the product of gate and up through an activation?"""
    factors = next((v for v in walk(product) if isinstance(v, Operation) and v.name == "mul"), None)
    if factors is None:
        return False
    sides = [side for side in factors.args if depends_on(side, call)]
    return any(is_activation(value) and depends_on(value, call) for side in sides for value in walk(side))


def is_activation(value: Value) -> bool:
    """A call of an activation function or module: neither linear, nor a norm, nor dropout."""
    if isinstance(value, Operation):
        return value.name in ACTIVATIONS
    if not isinstance(value, Call) or value.result is not None:
        return False
    instance = module_of(value)
    return instance is None or not (is_linear(instance) or is_norm(instance) or is_dropout(instance))
