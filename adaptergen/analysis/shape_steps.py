"""What does one step, such as a view or a transposition, make of a shape?

(batch, length, 3 * width) viewed as (batch, length, 3, -1)      the last is width
"""

from __future__ import annotations

from adaptergen.analysis.sizes import OPEN, UNKNOWN, Size, divided, is_known, multiplied, rest
from adaptergen.tracing.values import Attribute, Constant, Operation, Sequence, Value


Shape = tuple[Size, ...]  # of the last dimensions; of all of them where a view says so


def dimension(shape: Shape, position: int) -> Size:
    """One dimension; those of which only the last are known cannot be counted from the first."""
    is_there = -len(shape) <= position < len(shape) and (position < 0 or len(shape) > 2)
    return shape[position] if is_there else UNKNOWN


def agreed(shapes: list[Shape]) -> Shape:
    """What is known of one of several shapes, and not known to be something else in another."""
    known = [shape for shape in shapes if shape]
    if len({len(shape) for shape in known}) != 1:
        return ()
    return tuple(_agreed_size(set(sizes)) for sizes in zip(*known, strict=True))


def broadcast(left: Shape, right: Shape) -> Shape:
    """The shape of a sum: what is not known of one is as in the other, unless that is stretched."""
    if len(left) != len(right):
        return left or right
    return tuple(b if is_known(b) and b != "1" and not is_known(a) else a for a, b in zip(left, right, strict=True))


def _agreed_size(sizes: set[Size]) -> Size:
    told = sizes - {UNKNOWN, OPEN}
    return told.pop() if len(told) == 1 else UNKNOWN


def solved(view: Shape, source: Shape) -> Shape:
    """A view of (batch, length, width): what follows the two first dimensions multiplies to the width."""
    leading = 0
    while leading < min(2, len(view)) and not is_known(view[leading]):
        leading += 1
    tail = view[leading:]
    unknown = [index for index, size in enumerate(tail) if not is_known(size)]
    others = [size for size in tail if is_known(size)]
    if len(unknown) == 1 and len(source) == 1 and source[0] not in others:
        tail = replaced(tail, unknown[0], divided(source[0], multiplied(others)))
    elif _is_parted(view, source) and len(unknown) == 1:
        tail = replaced(tail, unknown[0], rest(source[2:], others))
    elif len(view) > 1 < len(source) and view[-1] == OPEN and view[-2] == source[-2] != UNKNOWN:
        tail = (*tail[:-1], source[-1])
    return tuple(UNKNOWN if size == OPEN else size for size in (*view[:leading], *tail))


def _is_parted(view: Shape, source: Shape) -> bool:
    """Do both have a batch and a length of which nothing is known, and then channels in parts that are known?"""
    leading = (*view[:2], *source[:2])
    return len(source) > 3 and all(size == UNKNOWN for size in leading) and all(map(is_known, source[2:]))


def swapped(shape: Shape, args: tuple[Value, ...]) -> Shape:
    axes = [number_of(argument) for argument in args[:2]]
    if len(axes) != 2 or any(axis is None or not -len(shape) <= axis < len(shape) for axis in axes):
        return ()
    first, second = (axis % len(shape) for axis in axes if axis is not None)
    order = list(shape)
    order[first], order[second] = order[second], order[first]
    return tuple(order)


def permuted(shape: Shape, args: tuple[Value, ...]) -> Shape:
    items = args[0].items if len(args) == 1 and isinstance(args[0], Sequence) else args
    axes = [number_of(item) for item in items]
    if len(axes) != len(shape) or any(axis is None or not -len(shape) <= axis < len(shape) for axis in axes):
        return ()
    return tuple(shape[axis] for axis in axes if axis is not None)


def with_one(shape: Shape, args: tuple[Value, ...]) -> Shape:
    axis = number_of(args[0]) if args else None
    if len(shape) == 1:  # of a linear map, whose input is (batch, length, width)
        shape = (UNKNOWN, UNKNOWN, *shape)
    if axis is None or len(shape) < 3 or not 0 <= axis <= len(shape):
        return ()
    return (*shape[:axis], "1", *shape[axis:])


def without(shape: Shape, axis: int) -> Shape:
    if not -len(shape) <= axis < len(shape):
        return ()
    axis %= len(shape)
    return (*shape[:axis], *shape[axis + 1 :])


def replaced(shape: Shape, axis: int, size: Size) -> Shape:
    axis %= len(shape)
    return (*shape[:axis], size, *shape[axis + 1 :])


def axis_of(made: Operation, default: int) -> int:
    """The dimension that an operation is about: `dim`, or what stands behind the other arguments."""
    position = {"unbind": 1, "cat": 1, "concat": 1, "mean": 1}.get(made.name, 2)
    given = made.kwargs.get("dim") or made.kwargs.get("axis")
    if given is None and len(made.args) > position:
        given = made.args[position]
    number = default if given is None else number_of(given)
    return default if number is None else number


def number_of(value: Value) -> int | None:
    inner = value.value if isinstance(value, Attribute) else value
    return inner.value if isinstance(inner, Constant) and isinstance(inner.value, int) else None
