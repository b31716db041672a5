"""Which axes of a tensor does a step exchange, and in which order does it put them?"""

from __future__ import annotations

from adaptergen.tracing.values import Constant, Operation, Sequence, Value


def exchanged(made: Value) -> tuple[int, int] | None:
    """The two axes of a `transpose`, as they are written; `None` if it is none, or they are not known."""
    match made:
        case Operation(
            name="transpose" | "swapaxes", args=(_, Constant(value=int(first)), Constant(value=int(second)))
        ):
            return first, second
    return None


def order_of(made: Value) -> tuple[int | None, ...]:
    """The axes of a `permute`, each `None` where it is not known; none if it is no such step."""
    match made:
        case Operation(name="permute", args=(_, Sequence(items=axes))) | Operation(name="permute", args=(_, *axes)):
            return tuple(
                axis.value if isinstance(axis, Constant) and isinstance(axis.value, int) else None for axis in axes
            )
    return ()
