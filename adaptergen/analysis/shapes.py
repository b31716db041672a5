"""How many heads do keys and values have, and how wide are they, in terms of what the attention module holds?

kv = self.kv_b_proj(latent).view(batch, length, -1, self.qk_dim + self.v_dim).transpose(1, 2)
        four dimensions, the second self.kv_b_proj.out_features // (self.qk_dim + self.v_dim)
key, value = torch.split(kv, [self.qk_dim, self.v_dim], dim=-1)
        the same, but that the last of key is self.qk_dim
"""

from __future__ import annotations

from adaptergen.analysis.shape_steps import (
    Shape,
    agreed,
    axis_of,
    broadcast,
    dimension,
    number_of,
    permuted,
    replaced,
    solved,
    swapped,
    with_one,
    without,
)
from adaptergen.analysis.sizes import (
    OPEN,
    UNKNOWN,
    Size,
    between,
    cut,
    divided,
    is_known,
    opaque,
    size_of,
    total,
    within,
)
from adaptergen.tracing.graph import is_dropout, is_linear, is_norm, module_of
from adaptergen.tracing.values import (
    Attribute,
    Call,
    Choice,
    Constant,
    Instance,
    Item,
    Operation,
    Sequence,
    Sum,
    Value,
)


SAME_SHAPE = frozenset(
    (
        *("contiguous", "to", "type", "type_as", "float", "half", "bfloat16", "clone", "detach"),
        *("mul", "mul_", "div", "sub", "add", "tanh", "dropout", "cache_update", "normalize", "clamp", "relu"),
    )
)
VIEWS = ("view", "reshape", "unflatten")
SPLITS = ("split", "chunk", "tensor_split", "unbind")


class Shapes:
    """Shapes of the values that one attention module computes with; each is looked at once."""

    def __init__(self, module: Instance) -> None:
        self._module = module
        self._known: dict[int, tuple[Value, Shape]] = {}
        self._unknown: dict[int, tuple[Value, Size]] = {}

    def of(self, value: Value) -> Shape:
        """The shape; () if nothing is known about it."""
        if id(value) not in self._known:
            self._known[id(value)] = value, ()
            self._known[id(value)] = value, self._find(value)
        return self._known[id(value)][1]

    def size(self, value: Value) -> Size:
        """A number that a shape is made of; an opaque one, the same for the same value, if it is not known."""
        return self._known_size(value) or self._unknown.setdefault(id(value), (value, opaque(len(self._unknown))))[1]

    def _known_size(self, value: Value) -> Size:
        match value:
            case Item(value=owner, index=int(position)) if (shape := self._measured(owner)) is not None:
                return dimension(shape, position)
            case Operation(name="size", args=(tensor, Constant(value=int(position)))):
                return dimension(self.of(tensor), position)
        return size_of(value, self._module, self.size)

    def _measured(self, value: Value) -> Shape | None:
        """The shape that `x.shape` or `x.size()` is."""
        match value:
            case Attribute(owner=tensor, name="shape") | Operation(name="size", args=(tensor,)):
                return self.of(tensor)
        return None

    def _find(self, value: Value) -> Shape:
        match value:
            case Choice():
                return agreed([self.of(option) for option in value.options])
            case Call():
                return self._of_call(value)
            case Sum():
                return broadcast(self.of(value.left), self.of(value.right))
            case Item():
                return self._of_item(value)
            case Operation():
                return self._of_operation(value)
        return ()

    def _of_call(self, call: Call) -> Shape:
        if call.result is not None:
            return self.of(call.result)
        module = module_of(call)
        if module is None or not call.args:
            return ()
        if is_linear(module):
            width = "nf" if module.class_name.endswith("Conv1D") else "out_features"
            return (size_of(Attribute(module, width), self._module, self.size),)
        return self.of(call.first) if is_norm(module) or is_dropout(module) else ()

    def _of_operation(self, made: Operation) -> Shape:
        shape = self.of(made.first) if made.args else ()
        if made.name in SAME_SHAPE:
            return shape or (self.of(made.args[1]) if len(made.args) > 1 else ())
        if made.name in VIEWS or made.name.startswith("new_"):
            return self._viewed(made, shape)
        if made.name in ("transpose", "swapaxes"):
            return swapped(shape, made.args[1:])
        if made.name == "permute":
            return permuted(shape, made.args[1:])
        if made.name in ("cat", "concat"):
            return self._joined(made)
        if made.name == "unsqueeze":
            return with_one(shape, made.args[1:])
        if made.name == "expand":
            return self._expanded(shape, made)
        if made.name == "pad":
            return shape
        if made.name == "mean" and "keepdim" not in made.kwargs and len(made.args) < 3:
            return without(shape, axis_of(made, len(shape)))
        return ()

    def _viewed(self, view: Operation, source: Shape) -> Shape:
        """The dimensions as written; one that is left open follows from the width of what is viewed."""
        if view.name == "unflatten":
            if len(view.args) != 3 or number_of(view.args[1]) != -1 or not isinstance(view.args[2], Sequence):
                return ()
            return solved((UNKNOWN, UNKNOWN, *map(self.size, view.args[2].items)), source)
        written = self._written(view.args[1:])
        is_told = len(source) == 1 and len(written) > 3 and is_known(written[1])
        if is_told and self._is_length(view.args[1:], written[0]):
            written = (written[0], UNKNOWN, *written[2:])
        return solved(written, source)

    def _is_length(self, args: tuple[Value, ...], first: Size) -> bool:
        """Is the second size one of what a linear map takes, whatever it is made of: measured, or of parts of it?"""
        items = args[0].items if len(args) == 1 and isinstance(args[0], Sequence) else args
        match items:
            case (_, Item(value=owner, index=1), *_) if self._measured(owner) is not None:
                return True
        return " * " in first and not is_known(first)

    def _written(self, args: tuple[Value, ...]) -> Shape:
        """`(…, heads, head_dim)` of one sequence, of a sum of shapes, or of separate arguments."""
        shape: list[Size] = []
        for argument in args:
            match argument:
                case Sequence(items=items):
                    shape.extend(self._written(items))
                case Sum(left=Sequence() | Item() | Sum() as left, right=Sequence() | Item() as right):
                    shape.extend((*self._written((left,)), *self._written((right,))))
                case Item(value=inner, index="*"):
                    shape.extend(self._written((inner,)))
                case Item(value=owner, index=":-1" | ":-2" as cut) if (measured := self._measured(owner)) is not None:
                    shape.extend(measured[: int(cut[1:])] if len(measured) > 2 else (UNKNOWN, UNKNOWN))
                case Item(value=owner, index="-1:") if (measured := self._measured(owner)) is not None:
                    shape.append(measured[-1] if measured else UNKNOWN)
                case Item(value=owner, index=":2") if self._measured(owner) is not None:
                    shape.extend((UNKNOWN, UNKNOWN))
                case Constant(value=-1):
                    shape.append(OPEN)
                case _:
                    shape.append(self.size(argument))
        return tuple(shape)

    def _of_item(self, item: Item) -> Shape:
        if (returned := item.parts()) and returned[0] is not item.value:
            return agreed([self.of(value) for value in returned])
        match item.value:
            case Operation(name="unbind", args=(tensor, *_)) if isinstance(item.index, int):
                return without(self.of(tensor), axis_of(item.value, 0))
            case Operation(name="split" | "chunk" | "tensor_split" as name, args=(tensor, parts, *_)) if isinstance(
                item.index, int
            ):
                return self._part(self.of(tensor), name, parts, axis_of(item.value, 0), item.index)
            case Operation() | Call() | Choice() | Sum() if isinstance(item.index, int):
                return without(self.of(item.value), 0)
        if isinstance(item.index, str) and item.index.startswith("..., ") and (shape := self.of(item.value)):
            return self._indexed(shape, item, item.index.removeprefix("..., ").split(", "))
        return ()

    def _indexed(self, shape: Shape, item: Item, last: list[str]) -> Shape:
        """`[..., lower:upper]`, or `[..., 0, :]` with nothing but whole dimensions and single elements."""
        if len(last) == 1 and ":" in last[0]:
            return (*shape[:-1], self._cut(shape[-1], item, last[0]))
        if len(last) > len(shape) or not all(part == ":" or part.removeprefix("-").isdigit() for part in last):
            return ()
        kept = (size for size, part in zip(shape[-len(last) :], last, strict=True) if part == ":")
        return (*shape[: -len(last)], *kept)

    def _cut(self, size: Size, item: Item, part: str) -> Size:
        if item.bounds:
            ends = [None if end is None else self.size(end) for end in item.bounds]
            if told := within(size, ends[0], ends[1]):
                return told
        match item.bounds:
            case (Value() as lower, Value() as upper):
                return between(self.size(lower), self.size(upper))
        return cut(size, part)

    def _part(self, shape: Shape, name: str, parts: Value, axis: int, index: int) -> Shape:
        if len(shape) == 1 and axis == 2:  # of a linear map, whose input is (batch, length, width)
            axis = -1
        if not -len(shape) <= axis < len(shape) or (axis >= 0 and len(shape) < 4):
            return ()
        if name == "split" and isinstance(parts, Sequence):
            size = self.size(parts.items[index]) if index < len(parts.items) else UNKNOWN
        else:
            size = self.size(parts) if name == "split" else divided(shape[axis], self.size(parts))
        return replaced(shape, axis, size)

    def _joined(self, made: Operation) -> Shape:
        match made.args:
            case (Sequence(items=items), *_):
                shapes = [self.of(item) for item in items]
                axis = axis_of(made, 0)
                if axis == -1 and shapes and all(shapes):
                    return (*shapes[0][:-1], total([shape[-1] for shape in shapes]))
                return shapes[0] if shapes and axis in (2, -2) else ()
        return ()

    def _expanded(self, shape: Shape, made: Operation) -> Shape:
        written = self._written(made.args[1:])
        if len(written) != len(shape):
            return ()
        return tuple(new if is_known(new) else old for old, new in zip(shape, written, strict=True))
