"""Are positions laid out in rows, columns or frames, by sizes that nothing but the input of the model has?

x.reshape(batch, self.height, self.width, frames, x.shape[2])     a prompt among the positions fits into no row
x.transpose(1, 2).reshape(batch, -1, *self.grid_size)             nor here, where the channels come first
x.view(batch, frames, x.shape[1], x.shape[2])                     positions stay what they are
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from adaptergen.analysis.turning import exchanged, order_of
from adaptergen.problems import Location
from adaptergen.tracing.graph import reached
from adaptergen.tracing.values import Attribute, Constant, Item, Operation, Value
from adaptergen.tracing.values import Sequence as Tuple


POSITIONS, CHANNELS = 1, 2  # axes of states


def find_frames(operations: Iterable[Operation], are_states: Callable[[Value], bool]) -> Location | None:
    """Where something made of the states is laid out in rows, columns and frames before its channels."""
    return _found(operations, are_states, _has_frames)


def find_picture(operations: Iterable[Operation], are_states: Callable[[Value], bool]) -> Location | None:
    """Where something made of the states that leave the layers becomes pictures, channels first."""
    return _found(operations, are_states, _is_picture)


def _found(
    operations: Iterable[Operation],
    are_states: Callable[[Value], bool],
    is_grid: Callable[[Value, Sequence[Value]], bool],
) -> Location | None:
    for made in operations:
        match made:
            case Operation(name="view" | "reshape", args=(viewed, *sizes)) if is_grid(viewed, list(_written(sizes))):
                if reached(viewed, are_states):
                    return made.at.module.at(made.at.statement)
    return None


def _has_frames(viewed: Value, sizes: Sequence[Value]) -> bool:
    """Two axes before the channels may be windows, and models see to it that what they read fills these."""
    if len(sizes) < 5 or not _is_measured(sizes[-1], CHANNELS):
        return False
    return not any(_is_measured(axis, POSITIONS) or _is_open(axis) for axis in sizes[1:-1])


def _is_picture(viewed: Value, sizes: Sequence[Value]) -> bool:
    return len(sizes) == 4 and _is_turned(viewed) and _is_open(sizes[1])


def _is_turned(value: Value) -> bool:
    """Are the positions behind the channels?"""
    match value:
        case Operation(name="contiguous", args=(turned,)):
            return _is_turned(turned)
    if axes := exchanged(value):
        return {axis % 3 for axis in axes} == {POSITIONS, CHANNELS}
    return order_of(value) == (0, CHANNELS, POSITIONS)


def _is_measured(size: Value, axis: int) -> bool:
    """`x.shape[axis]` or `x.size(axis)`."""
    match size:
        case Item(value=Attribute(name="shape") | Operation(name="size", args=(_,)), index=int(index)):
            return index in (axis, axis - 3)
        case Operation(name="size", args=(_, Constant(value=int(index)))):
            return index in (axis, axis - 3)
    return False


def _is_open(size: Value) -> bool:
    return isinstance(size, Constant) and size.value == -1


def _written(sizes: Iterable[Value]) -> Iterator[Value]:
    for size in sizes:
        match size:
            case Tuple(items=items):
                yield from _written(items)
            case Item(value=several, index="*"):
                yield from (several, several)
            case _:
                yield size
