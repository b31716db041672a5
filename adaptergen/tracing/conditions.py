"""What is known about a condition, and what a condition says about its values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from adaptergen.tracing.values import (
    Attribute,
    Both,
    Call,
    ClassReference,
    Constant,
    Function,
    Input,
    Instance,
    IsNone,
    Operation,
    Sequence,
    Sum,
    Value,
)


if TYPE_CHECKING:
    from adaptergen.tracing.tracer import Tracer


def truth(tracer: Tracer, value: Value) -> bool | None:
    """True or False where it is certain, None where it is not."""
    match value:
        case Constant():
            return bool(value.value)
        case Attribute(value=Value() as inner):
            return truth(tracer, inner)
        case IsNone():
            none = is_none(tracer, value.value)
            return none if none is None else none != value.negated
        case Both():
            return _all([truth(tracer, term) for term in value.terms])
        case Operation(name="not", args=(inner,)):
            known = truth(tracer, inner)
            return None if known is None else not known
        case Operation(name="or"):
            return _any([truth(tracer, term) for term in value.args])
        case Instance() | Function() | ClassReference():
            return True
    return None


def _all(known: list[bool | None]) -> bool | None:
    if False in known:
        return False
    return None if None in known else True


def _any(known: list[bool | None]) -> bool | None:
    if True in known:
        return True
    return None if None in known else False


def is_none(tracer: Tracer, value: Value) -> bool | None:
    if tracer.is_present(value):
        return False
    match value:
        case Constant():
            return value.value is None
        case Attribute(value=Value() as inner):
            return is_none(tracer, inner)
        case Input():
            return None if value.optional else False
        case Sum() | Instance() | Sequence() | Function() | Operation():
            return False
        case Call():
            return False if value.result is None else is_none(tracer, value.result)
    return None


def present_when(test: Value, *, outcome: bool) -> Iterator[Value]:
    """The values that cannot be None when the condition has this outcome."""
    match test:
        case IsNone() if test.negated == outcome:
            yield test.value
        case Both() if outcome:
            for term in test.terms:
                yield from present_when(term, outcome=True)
        case Operation(name="not", args=(inner,)):
            yield from present_when(inner, outcome=not outcome)
