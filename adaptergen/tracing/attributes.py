"""What do `owner.name` and `owner[index]` stand for, as far as constructors and literals tell?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from adaptergen.tracing import calls, expressions
from adaptergen.tracing.binding import element_at
from adaptergen.tracing.choices import choice, is_structured
from adaptergen.tracing.values import (
    Attribute,
    Choice,
    ClassReference,
    Config,
    Constant,
    Dead,
    Dictionary,
    External,
    Function,
    Instance,
    Item,
    Sequence,
    SuperOf,
    Value,
    alternatives,
)


if TYPE_CHECKING:
    from adaptergen.tracing.tracer import Frame, Tracer


def attribute(tracer: Tracer, frame: Frame, owner: Value, name: str) -> Value:
    match owner:
        case Choice() if is_structured(owner):
            return choice([attribute(tracer, frame, option, name) for option in owner.options])
        case Attribute(value=Value() as inner) if isinstance(inner, Instance | Config | External):
            return attribute(tracer, frame, inner, name)
        case Config():
            return owner.attribute(name)
        case External():
            return External(f"{owner.dotted}.{name}")
        case Instance():
            return _instance_attribute(tracer, frame, owner, name)
        case SuperOf():
            return _super_attribute(tracer, owner, name)
        case ClassReference():
            found = tracer.find_method(owner.cls, name)
            if found is not None:
                return Function(found[1], found[0].module, found[0])
    return Attribute(owner, name)


def _instance_attribute(tracer: Tracer, frame: Frame, owner: Instance, name: str) -> Value:
    attributes = tracer.attributes(owner)
    if name in attributes:
        return _read(owner, name, attributes[name])
    if owner.is_record and name in owner.kwargs:
        return owner.kwargs[name]
    if isinstance(owner.cls, External):
        return Attribute(owner, name)
    found = tracer.find_method(owner.cls, name)
    if found is not None:
        method = Function(found[1], found[0].module, found[0], owner)
        return calls.call(tracer, method, (), {}, frame, node=None) if _is_property(found[1]) else method
    for ancestor in owner.cls.module.ancestry(owner.cls.name):
        if name in ancestor.constants:
            return Attribute(owner, name, expressions.evaluate(tracer, frame, ancestor.constants[name]))
    return Attribute(owner, name)


TENSORS = ("torch.nn.Parameter", "torch.nn.Buffer")


def _read(owner: Instance, name: str, value: Value) -> Value:
    """Modules and callables are themselves; a tensor or a setting remembers which attribute it was read from."""
    if isinstance(value, Instance) and value.class_name in TENSORS:
        return Attribute(owner, name)
    if any(isinstance(option, Instance | Sequence | Function | Item) for option in alternatives(value)):
        return value
    return Attribute(owner, name, value)


def _is_property(node: cst.FunctionDef) -> bool:
    return any(isinstance(d.decorator, cst.Name) and d.decorator.value == "property" for d in node.decorators)


def _super_attribute(tracer: Tracer, owner: SuperOf, name: str) -> Value:
    for base in owner.owner.bases:
        parent = owner.owner.module.classes.get(base) or tracer.load_class(owner.owner.module, base)
        found = tracer.find_method(parent, name) if parent else None
        if found is not None:
            return Function(found[1], found[0].module, found[0], owner.instance)
    return External(f"super.{name}")


def sliced(owner: Sequence, part: cst.BaseSlice) -> Value:
    """`layers[: n]` is the list of layers; a slice with literal bounds is taken as written."""
    if not isinstance(part, cst.Slice) or owner.repeated:
        return owner
    lower, upper = _literal(part.lower), _literal(part.upper)
    if (part.lower and lower is None) or (part.upper and upper is None):
        return Value()
    return Sequence(owner.items[slice(lower, upper)], False, owner.is_modules, None)


def _literal(node: cst.BaseExpression | None) -> int | None:
    return int(node.value) if isinstance(node, cst.Integer) else None


def item(owner: Value, index: Value, text: str) -> Value:
    match owner, index:
        case Choice(), _ if is_structured(owner):
            return choice([item(option, index, text) for option in owner.options])
        case Attribute(value=Value() as inner), _ if isinstance(inner, Sequence | Dictionary):
            return item(inner, index, text)
        case Sequence(), Constant(value=int(position)):
            return _sequence_item(owner, position)
        case Sequence(repeated=True), _:
            return element_at(owner, 0)
        case Sequence(), _:
            return choice([element_at(owner, position) for position in range(len(owner.items))])
        case Dictionary(), Constant(value=key) if key in owner.items:
            return owner.items[key]
        case Dictionary(), _:
            return choice(list(owner.items.values()))
        case _, Constant(value=int(position)):
            return Item(owner, position)
    return Item(owner, text, (index,))


def _sequence_item(owner: Sequence, position: int) -> Value:
    if owner.repeated:
        return element_at(owner, 0)
    if not -len(owner.items) <= position < len(owner.items):
        return Dead()
    return element_at(owner, position)
