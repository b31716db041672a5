"""Have the states that enter the layers more rows than there are examples, or are there several of each position?

embeddings = torch.cat((self.embed(pictures), self.embed(masks)), dim=0)     rows of one kind behind those of another
hidden_states = torch.stack([embeddings, *projected], dim=0)                 the layers take all states of a position
"""

from __future__ import annotations

from adaptergen.problems import Location
from adaptergen.tracing.graph import is_input, reached, walk
from adaptergen.tracing.values import Constant, Operation, Sequence, Value, alternatives


def joins_rows(entering: Value) -> bool:
    """Are rows made of different inputs put behind each other on the way?"""
    return any(map(_joins, walk(entering)))


def _joins(value: Value) -> bool:
    match value:
        case Operation(name="cat" | "concat" | "concatenate", args=(Sequence(items=parts, repeated=False), *axis)):
            given = axis[0] if axis else value.kwargs.get("dim", value.kwargs.get("axis", Constant(0)))
            if not (isinstance(given, Constant) and given.value == 0):
                return False
            inputs = [frozenset(map(id, reached(part, is_input))) for part in parts]
            return len(set(inputs)) > 1 and all(inputs)
    return False


def find_stacked(entering: Value) -> Location | None:
    """Where several states of each position are put into one tensor, just before the layers."""
    for value in alternatives(entering):
        match value:
            case Operation(name="stack"):
                return value.at.module.at(value.at.statement)
    return None
