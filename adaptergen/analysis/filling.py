"""Where are scores filled before the softmax, and does the mask say which of them stay or which of them go?

scores.masked_fill(~mask, minimum)              those stay where the mask holds
scores.masked_fill((mask == 0), minimum)        the same, of numbers
scores.masked_fill(mask, minimum)               those go where the mask holds
torch.where(mask, scores, minimum)              those stay where the mask holds
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from msgspec import Struct

from adaptergen.tracing.graph import is_input, reached
from adaptergen.tracing.values import Attribute, Constant, External, Item, Operation, Value


SHAPED = frozenset(("view", "reshape", "expand", "expand_as", "unsqueeze", "contiguous"))


class Filling(Struct, frozen=True, eq=False):
    """
    Scores are replaced by a number.

    Args:
        mask: what says where, before it is negated, made boolean or brought into shape.
        hides: it holds where scores are filled, not where they stay.
        is_test: it may have numbers, of which only is asked whether they are 0.
    """

    mask: Value
    hides: bool
    is_test: bool = False


def fillings(steps: Collection[Value]) -> Iterator[Filling]:
    """Those among the steps from scores to softmax that depend on what is given to the layer."""
    scores = {id(step) for step in steps}
    for step in steps:
        match step:
            case Operation(name="masked_fill" | "masked_fill_", args=(_, condition, _)):
                hides = True
            case Operation(name="where", args=(condition, one, other)):
                hides = id(other) in scores
                condition = condition if hides != (id(one) in scores) else Value()
            case _:
                continue
        if type(condition) is Value or reached(condition, is_input):
            yield _filling(condition, hides=hides)


def _filling(condition: Value, *, hides: bool, is_test: bool = False) -> Filling:
    match condition:
        case Operation(name="bitinvert" | "logical_not", args=(inner, *_)):
            return _filling(inner, hides=not hides, is_test=is_test)
        case Operation(name="equal", args=(inner, other)) if _is_zero(other):
            return _filling(inner, hides=not hides, is_test=True)
        case Operation(name="notequal", args=(inner, other)) if _is_zero(other):
            return _filling(inner, hides=hides, is_test=True)
        case Operation(name="bool", args=(inner, *_)):
            return _filling(inner, hides=hides, is_test=True)
        case Operation(name="to", args=(inner, External(dotted="torch.bool"))):
            return _filling(inner, hides=hides, is_test=True)
        case Operation(name=name, args=(inner, *_)) if name in SHAPED:
            return _filling(inner, hides=hides, is_test=is_test)
        case Item(value=inner, index=str(index)) if _adds_axes(index):
            return _filling(inner, hides=hides, is_test=is_test)
    return Filling(condition, hides, is_test)


def _is_zero(value: Value) -> bool:
    inner = value.value if isinstance(value, Attribute) else value
    match inner:
        case Operation(name="tensor", args=(Constant(value=constant), *_)) | Constant(value=constant):
            return constant in (0, False) and constant is not None
    return False


def _adds_axes(index: str) -> bool:
    return all(part.strip() in (":", "None", "...") for part in index.split(","))
