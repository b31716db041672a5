"""Which channels of a projection's output is a state made of?

query, key, value = self.c_attn(x).split(self.width, dim=2)                 the first, second and third part
fused = self.qkv(x).unflatten(-1, (3, width)); fused[..., 0, :]              the same
fused = self.qkv(x).view(*shape, self.heads, 3, self.dim); fused[..., 0, :] the first part of each head
self.qkv_proj(x)[..., : self.heads * self.dim]                              as many as are written
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from adaptergen.analysis.shapes import SPLITS, VIEWS
from adaptergen.analysis.terms import Terms, product, terms_of
from adaptergen.tracing.graph import is_linear_call
from adaptergen.tracing.values import Attribute, Call, Choice, Constant, Item, Operation, Sequence, Sum, Value


class Even(Struct, frozen=True):
    """One of several parts of equal width; of each group of channels, if there is more than one."""

    index: int
    group: str = ""  # width of a group, "" when all channels are one


class Span(Struct, frozen=True):
    """The channels from `lower` to `upper`, of each group as wide as `group`; None is the first or behind the last."""

    lower: Terms | None
    upper: Terms | None
    group: Terms | None = None  # None when all channels are one


class All(Struct, frozen=True):
    """All channels, as far as is known."""


Channels = Even | Span | All
ALL = All()

_ONE = -1  # in place of a factor: an axis that holds one element

_SAME = ("contiguous", "to", "float", "clone", "type_as", "clamp")


def channels(state: Value) -> Iterator[tuple[Call, Channels]]:
    """The linear calls that a state comes from, each with the channels of its output that are used."""
    seen: set[int] = set()
    found: set[tuple[int, Channels]] = set()
    queue: list[Value] = [state]
    for value in queue:
        if id(value) in seen:
            continue
        seen.add(id(value))
        picked = (value, ALL) if isinstance(value, Call) and is_linear_call(value) else _picked(value)
        if picked is None:
            queue.extend(value.parts())
        elif (id(picked[0]), picked[1]) not in found:
            found.add((id(picked[0]), picked[1]))
            yield picked


class _Shape(Struct, frozen=True, eq=False):
    """A linear call whose output was viewed: which factor of the channels each axis is, and the widths of factors."""

    call: Call
    axes: tuple[int | None, ...]
    factors: tuple[Terms | None, ...] = (None,)

    def level(self, axis: int) -> int | None:
        level = self.axes[axis] if -len(self.axes) <= axis < len(self.axes) else None
        return None if level == _ONE else level

    def even(self, axis: int, index: int) -> Even | None:
        level = self.level(axis)
        if level is None:
            return None
        if level == 0:
            return Even(index)
        group = product(self.factors[level:])
        return Even(index, group) if group else None

    def span(self, axis: int, lower: Terms | None, upper: Terms | None) -> Span | None:
        level = self.level(axis)
        if level is None or level != len(self.factors) - 1:
            return None
        return Span(lower, upper) if level == 0 else Span(lower, upper, self.factors[level])


def _picked(value: Value) -> tuple[Call, Even | Span] | None:
    match value:
        case Item(value=Operation(name=name, args=(tensor, *_)) as split, index=int(index)) if name in SPLITS:
            shape = _shape(tensor)
            found = _split(shape, split, index) if shape else None
        case Item(value=Operation() as tensor, index=int(index)):
            shape = _shape(tensor)
            found = shape.even(0, index) if shape else None
        case Item(value=tensor, index=str(text)):
            shape = _shape(tensor)
            found = _indexed(shape, value, text) if shape else None
        case _:
            return None
    return (shape.call, found) if shape and found else None


def _split(shape: _Shape, split: Operation, index: int) -> Even | Span | None:
    axis = _number(split.kwargs.get("dim") or _argument(split, 1 if split.name == "unbind" else 2))
    if axis is None and split.name != "unbind":
        return None
    sizes = split.args[1] if len(split.args) > 1 else split.kwargs.get("split_size")
    if split.name == "split" and isinstance(sizes, Sequence):
        return _span(shape, axis or 0, sizes.items, index)
    return shape.even(axis or 0, index)


def _span(shape: _Shape, axis: int, sizes: tuple[Value, ...], index: int) -> Span | None:
    if not 0 <= index < len(sizes):
        return None
    widths = [terms_of(size, shape.call) for size in sizes]
    known = [width for width in widths if width is not None]
    if len(known) != len(widths):
        return None
    ends = [None, *(_joined(known[: end + 1]) for end in range(len(known)))]
    return shape.span(axis, ends[index], ends[index + 1] if index + 1 < len(sizes) else None)


def _joined(widths: list[Terms]) -> Terms:
    return tuple(sorted(term for width in widths for term in width))


def _indexed(shape: _Shape, item: Item, text: str) -> Even | Span | None:
    """`[..., 0, :]` or `[..., a:b]`."""
    first, *rest = (part.strip() for part in text.split(","))
    if first != "..." or not rest:
        return None
    if rest[0].isdigit() and all(part == ":" for part in rest[1:]):
        return shape.even(-len(rest), int(rest[0]))
    if len(rest) != 1 or not item.bounds:
        return None
    lower, upper = (None if end is None else terms_of(end, shape.call) for end in item.bounds)
    is_known = [(end is None) == (width is None) for end, width in zip(item.bounds, (lower, upper), strict=True)]
    return shape.span(-1, lower, upper) if all(is_known) else None


def _shape(value: Value) -> _Shape | None:
    match value:
        case Call() if is_linear_call(value):
            return _Shape(value, (None, None, 0))
        case Operation(name=name, args=(tensor, *_)) if name in _SAME:
            return _shape(tensor)
        case Operation(name="transpose", args=(tensor, first, second)):
            return _reordered(_shape(tensor), first, second)
        case Operation(name="permute", args=(tensor, *order)):
            return _permuted(_shape(tensor), order)
        case Operation(name="unsqueeze" | "squeeze" as name, args=(tensor, axis)):
            return _with_one(_shape(tensor), axis) if name == "unsqueeze" else _without_one(_shape(tensor), axis)
        case Operation(name="unflatten", args=(tensor, axis, Sequence(items=sizes))):
            return _unflattened(_shape(tensor), axis, sizes)
        case Operation(name=name, args=(tensor, *sizes)) if name in VIEWS and name != "unflatten":
            shape = _shape(tensor)
            return _viewed(shape, _written(sizes)) if shape else None
        case Choice(options=options):
            shapes = [_shape(option) for option in options]
            return shapes[0] if len({shape and (id(shape.call), shape.axes) for shape in shapes}) == 1 else None
    return None


def _reordered(shape: _Shape | None, first: Value, second: Value) -> _Shape | None:
    one, other = _number(first), _number(second)
    if shape is None or one is None or other is None or max(abs(one), abs(other)) >= len(shape.axes):
        return None
    axes = list(shape.axes)
    axes[one], axes[other] = axes[other], axes[one]
    return _Shape(shape.call, tuple(axes), shape.factors)


def _permuted(shape: _Shape | None, order: list[Value]) -> _Shape | None:
    given = order[0].items if len(order) == 1 and isinstance(order[0], Sequence) else order
    places = [_number(each) for each in given]
    if shape is None or sorted(place for place in places if place is not None) != [*range(len(shape.axes))]:
        return None
    return _Shape(shape.call, tuple(shape.axes[place] for place in places if place is not None), shape.factors)


def _viewed(shape: _Shape, sizes: list[Value | None]) -> _Shape | None:
    """The channels taken apart; or, once they are, another view that leaves the first axis alone."""
    if len(shape.factors) > 1:
        first = sizes[0] if sizes else None
        level = shape.axes[0]
        kept = level is not None and first is not None and shape.factors[level] == terms_of(first, shape.call)
        return _Shape(shape.call, (level, *(None for _ in sizes[1:])), shape.factors) if kept else None
    if shape.axes[-1] != 0:
        return None
    leading = 0
    while leading < len(sizes) and _is_leading(sizes[leading], leading):
        leading += 1
    widths = tuple(None if size is None else terms_of(size, shape.call) for size in sizes[leading:])
    if not widths:
        return None
    return _Shape(shape.call, (*(None for _ in range(leading)), *range(len(widths))), widths)


def _unflattened(shape: _Shape | None, axis: Value, sizes: tuple[Value, ...]) -> _Shape | None:
    """The channels taken apart where they stand."""
    if (
        shape is None
        or _number(axis) not in (-1, len(shape.axes) - 1)
        or shape.axes[-1] != 0
        or shape.factors != (None,)
    ):
        return None
    widths = tuple(terms_of(size, shape.call) for size in sizes)
    return _Shape(shape.call, (*shape.axes[:-1], *range(len(widths))), widths)


def _with_one(shape: _Shape | None, axis: Value) -> _Shape | None:
    place = _number(axis)
    if shape is None or place is None or not -len(shape.axes) - 1 <= place <= len(shape.axes):
        return None
    place += len(shape.axes) + 1 if place < 0 else 0
    return _Shape(shape.call, (*shape.axes[:place], _ONE, *shape.axes[place:]), shape.factors)


def _without_one(shape: _Shape | None, axis: Value) -> _Shape | None:
    place = _number(axis)
    if shape is None or place is None or not -len(shape.axes) <= place < len(shape.axes) or shape.axes[place] != _ONE:
        return None
    place %= len(shape.axes)
    return _Shape(shape.call, (*shape.axes[:place], *shape.axes[place + 1 :]), shape.factors)


def _is_leading(size: Value | None, position: int) -> bool:
    """Is it the size of the batch or of the sequence, and not one of channels?"""
    if position >= 2:
        return False
    match size:
        case None:
            return True
        case Constant(value=int(number)):
            return number < 2 and position == 0
        case Attribute(name=name) if name != "shape":
            return False
    return True


def _written(sizes: list[Value]) -> list[Value | None]:
    """The sizes one by one; those of all of a shape but its end are two that are not known."""
    found: list[Value | None] = []
    for size in sizes:
        match size:
            case Sequence(items=items):
                found.extend(_written(list(items)))
            case Sum(left=Sequence() | Item() as left, right=Sequence() as right):
                found.extend(_written([left, right]))
            case Item(index="*" | ":-1" | ":2"):
                found.extend((None, None))
            case _:
                found.append(size)
    return found


def _argument(made: Operation, position: int) -> Value | None:
    return made.args[position] if len(made.args) > position else None


def _number(value: Value | None) -> int | None:
    inner = value.value if isinstance(value, Attribute) else value
    return inner.value if isinstance(inner, Constant) and isinstance(inner.value, int) else None
