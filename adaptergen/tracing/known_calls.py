"""What do well-known callees do? Builtins, and helpers of transformers that call what they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import libcst as cst

from adaptergen.source import ClassSource
from adaptergen.tracing import attributes, calls, conditions
from adaptergen.tracing.binding import assign_attribute, elements
from adaptergen.tracing.values import Attribute, Choice, Constant, External, Instance, Item, Sequence, Value


if TYPE_CHECKING:
    from adaptergen.tracing.tracer import Frame, Tracer

Known = Callable[["Tracer", "Frame", cst.Call, tuple[Value, ...], dict[str, Value]], Value | None]


def _apply_chunking(
    tracer: Tracer, frame: Frame, node: cst.Call, args: tuple[Value, ...], kwargs: dict[str, Value]
) -> Value | None:
    """`apply_chunking_to_forward(function, chunk_size, dim, *tensors)` calls the function on the tensors."""
    return calls.call(tracer, args[0], args[3:], {}, frame, node) if len(args) > 3 else None


def _get_attribute(
    tracer: Tracer, frame: Frame, node: cst.Call, args: tuple[Value, ...], kwargs: dict[str, Value]
) -> Value | None:
    if len(args) < 2 or not isinstance(args[1], Constant | Attribute):
        return Value()
    name = _text(args[1])
    return attributes.attribute(tracer, frame, args[0], name) if name else Value()


def _set_attribute(
    tracer: Tracer, frame: Frame, node: cst.Call, args: tuple[Value, ...], kwargs: dict[str, Value]
) -> Value | None:
    name = _text(args[1]) if len(args) == 3 else None
    if name and isinstance(args[0], Instance):
        assign_attribute(args[0], name, args[2])
    return Constant(None)


def _text(value: Value) -> str | None:
    inner = value.value if isinstance(value, Attribute) else value
    return inner.value if isinstance(inner, Constant) and isinstance(inner.value, str) else None


def _has_attribute(
    tracer: Tracer, frame: Frame, node: cst.Call, args: tuple[Value, ...], kwargs: dict[str, Value]
) -> Value | None:
    """`hasattr(self, "x")` is certain only when the constructor always or never makes `x`."""
    name = _text(args[1]) if len(args) == 2 else None
    if name and isinstance(args[0], Instance) and isinstance(args[0].cls, ClassSource):
        return Constant(True) if name in tracer.attributes(args[0]) else Value()
    return Value()


def _same(
    tracer: Tracer, frame: Frame, node: cst.Call, args: tuple[Value, ...], kwargs: dict[str, Value]
) -> Value | None:
    return args[0] if args else None


def _enumerate(
    tracer: Tracer, frame: Frame, node: cst.Call, args: tuple[Value, ...], kwargs: dict[str, Value]
) -> Value | None:
    pairs = tuple(Sequence((Value(), element)) for element in elements(args[0]))
    return Sequence(pairs, repeated=not isinstance(args[0], Sequence) or args[0].repeated)


def _zip(
    tracer: Tracer, frame: Frame, node: cst.Call, args: tuple[Value, ...], kwargs: dict[str, Value]
) -> Value | None:
    columns = [elements(argument) for argument in args]
    rows = tuple(Sequence(row) for row in zip(*columns, strict=False))
    return Sequence(rows, repeated=True)


def _range(
    tracer: Tracer, frame: Frame, node: cst.Call, args: tuple[Value, ...], kwargs: dict[str, Value]
) -> Value | None:
    return Sequence((Value(),), repeated=True)


def _boolean(
    tracer: Tracer, frame: Frame, node: cst.Call, args: tuple[Value, ...], kwargs: dict[str, Value]
) -> Value | None:
    known = conditions.truth(tracer, args[0]) if args else False
    return Value() if known is None else Constant(known)


def _items_of(
    tracer: Tracer, frame: Frame, node: cst.Call, args: tuple[Value, ...], kwargs: dict[str, Value]
) -> Value | None:
    """`list(x)`, `tuple(x)`, `reversed(x)` hold what x holds."""
    if not args:
        return Sequence(())
    return args[0] if isinstance(args[0], Sequence | Choice) else Item(args[0], "all")


def _backbone(
    tracer: Tracer, frame: Frame, node: cst.Call, args: tuple[Value, ...], kwargs: dict[str, Value]
) -> Value | None:
    """`load_backbone(config)` makes a model of another file."""
    return Instance(External("transformers.backbone_utils.load_backbone"), args[:1])


def _unknown(
    tracer: Tracer, frame: Frame, node: cst.Call, args: tuple[Value, ...], kwargs: dict[str, Value]
) -> Value | None:
    return Value()


BUILTINS: dict[str, Known] = {
    "builtins.getattr": _get_attribute,
    "builtins.setattr": _set_attribute,
    "builtins.hasattr": _has_attribute,
    "builtins.isinstance": _unknown,
    "builtins.len": _unknown,
    "builtins.enumerate": _enumerate,
    "builtins.zip": _zip,
    "builtins.range": _range,
    "builtins.bool": _boolean,
    "builtins.int": _same,
    "builtins.float": _same,
    "builtins.list": _items_of,
    "builtins.tuple": _items_of,
    "builtins.reversed": _items_of,
    "copy.deepcopy": _same,
    "copy.copy": _same,
}
BY_NAME: dict[str, Known] = {"apply_chunking_to_forward": _apply_chunking, "load_backbone": _backbone}
