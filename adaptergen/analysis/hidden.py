"""What holds the input of an attention where its scores are computed: the states that its queries are projected from?

query = self.q_b_proj(self.q_norm(self.q_a_proj(hidden_states)))    hidden_states, as wide as self.q_a_proj takes it
queries = self.q_proj(queries)                                      no name: what is projected has to be kept before
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from adaptergen.analysis.attention import AttentionCall
from adaptergen.analysis.sizes import Size
from adaptergen.analysis.statements import address, enclosing_blocks, method_node
from adaptergen.facts import KeptInput
from adaptergen.tracing.graph import is_linear_call, reached
from adaptergen.tracing.values import Attribute, Call, Config, Input, Instance, Site, Value, alternatives


KEPT = "attention_input"


class Hidden(Struct, frozen=True, eq=False):
    """
    The input of an attention.

    Args:
        name: what it is called at the scores.
        value: what that name holds.
        kept: where it has to get this name, if it has none of its own.
    """

    name: str
    value: Value
    kept: KeptInput | None = None


def find_hidden(call: AttentionCall, site: Site) -> Hidden | None:
    """
    The nearest input of a projection that leads to the queries and has a name, or can be given one; where they cannot
    be followed to one, what the method is given first.
    """
    projections = list(_projections(call.query))
    for projection in projections:
        for name, value in site.names.items():
            if value is projection.first:
                return Hidden(name, value)
    for projection in projections:
        kept = _kept(projection, site)
        if kept is not None:
            return Hidden(KEPT, projection.first, kept)
    return _first_parameter(site)


def _first_parameter(site: Site) -> Hidden | None:
    """What the method is given first, if its name still holds it."""
    parameters = method_node(site.module, site.cls, site.method).params.params[1:]
    value = site.names.get(parameters[0].name.value) if parameters else None
    return Hidden(parameters[0].name.value, value) if isinstance(value, Input) else None


def width_of(hidden: Hidden, call: AttentionCall, module: Instance) -> Size:
    """The width of the input, where neither the projection of the keys nor the model's configuration tells it."""
    if call.kind == "self" and any(keys.first is hidden.value for keys in _nearest(call.key)):
        return ""
    readers = [p for state in (call.key, call.query) for p in _projections(state) if p.first is hidden.value]
    for reader in readers:
        linear = reader.callee
        assert isinstance(linear, Instance)
        if call.kind == "cross" and _is_width_of_model(linear):
            return ""
        if _is_always_there(linear, module):
            path = linear.path.removeprefix(f"{module.path}." if module.path else "")
            return f"self.{path}.{'nx' if linear.class_name.endswith('Conv1D') else 'in_features'}"
    return ""


def _nearest(state: Value) -> list[Call]:
    return [call for call in reached(state, is_linear_call) if isinstance(call, Call) and call.args]


def _projections(state: Value) -> Iterator[Call]:
    """The linear calls that lead to a state, nearest first."""
    level, seen = _nearest(state), set[int]()
    while level:
        fresh = {id(call): call for call in level if id(call) not in seen}
        seen.update(fresh)
        yield from fresh.values()
        level = [before for call in fresh.values() for before in _nearest(call.first)]


def _kept(projection: Call, site: Site) -> KeptInput | None:
    """The statement that projects the input, if it is always run and the input has a name there."""
    at = projection.at
    if at.instance is not site.instance or (at.cls, at.method) != (site.cls, site.method):
        return None
    if len(enclosing_blocks(method_node(at.module, at.cls, at.method), at.statement)) != 1:
        return None
    names = (name for name, value in at.names.items() if value is projection.first)
    return next((KeptInput(address(at.module, at.cls, at.method, at.statement), name) for name in names), None)


def _is_width_of_model(linear: Instance) -> bool:
    """Is the linear map made for an attribute of the model's own configuration, not of one of its parts?"""
    given = linear.args[1 if linear.class_name.endswith("Conv1D") else 0] if len(linear.args) > 1 else Value()
    inner = given.value if isinstance(given, Attribute) and given.value is not None else given
    return isinstance(inner, Config) and "." not in inner.path


def _is_always_there(linear: Instance, module: Instance) -> bool:
    prefix = f"{module.path}." if module.path else ""
    if not linear.making.path or not linear.path.startswith(prefix):
        return False
    held = (module.making.attributes or {}).get(linear.path.removeprefix(prefix).partition(".")[0])
    return held is not None and len(alternatives(held)) == 1
