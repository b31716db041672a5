"""Which names a value is bound to: assignment targets, attributes of modules, unpacking, elements of a loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from adaptergen.tracing.choices import choice, is_structured
from adaptergen.tracing.values import (
    Call,
    Choice,
    Config,
    Dead,
    Dictionary,
    Instance,
    Item,
    Sequence,
    Value,
    alternatives,
)


if TYPE_CHECKING:
    from adaptergen.tracing.tracer import Frame


def bind(frame: Frame, target: cst.BaseExpression, value: Value) -> None:
    match target:
        case cst.Name():
            frame.names[target.value] = value
        case cst.Attribute(value=cst.Name(value=owner), attr=cst.Name(value=name)):
            _bind_attribute(frame, owner, name, value)
        case cst.Tuple() | cst.List():
            _bind_tuple(frame, target, value)
        case cst.Subscript(value=cst.Name(value=name)) if not _is_container(frame.names.get(name)):
            frame.names[name] = choice([frame.names.get(name, value), value])


def _is_container(value: Value | None) -> bool:
    """Something of which one element is not the whole, unlike a tensor that is filled."""
    return any(
        isinstance(option, Sequence | Dictionary | Instance | Config) for option in alternatives(value or Value())
    )


def _bind_attribute(frame: Frame, owner: str, name: str, value: Value) -> None:
    holder = frame.names.get(owner)
    if isinstance(holder, Config):
        frame.names[owner] = Config(holder.path, {**holder.assigned, name: value})
    elif owner == "self" and frame.instance is not None:
        assign_attribute(frame.instance, name, value)


def assign_attribute(instance: Instance, name: str, value: Value) -> None:
    """`instance.name = value`: a module that gets its first name knows its path from now on."""
    path = f"{instance.path}.{name}" if instance.path else name
    for option in alternatives(value):
        if isinstance(option, Instance) and option.making.path is None:
            option.making.path = path
    if isinstance(value, Sequence) and value.is_modules:
        value = Sequence(value.items, value.repeated, True, path)
    elif isinstance(value, Choice) and all(isinstance(option, Sequence) for option in value.options):
        value = Choice(tuple(_placed(option, path) for option in value.options))
    if instance.making.attributes is not None:
        instance.making.attributes[name] = value


def _placed(value: Value, path: str) -> Value:
    assert isinstance(value, Sequence)
    return Sequence(value.items, value.repeated, value.is_modules, path)


def _bind_tuple(frame: Frame, target: cst.Tuple | cst.List, value: Value) -> None:
    for index, element in enumerate(target.elements):
        if isinstance(element, cst.StarredElement):
            bind(frame, element.value, Value())
        else:
            bind(frame, element.value, unpacked(value, index, len(target.elements)))


def unpacked(value: Value, index: int, count: int) -> Value:
    """The `index`-th of `count` values that an unpacking takes."""
    match value:
        case Choice() if is_structured(value):
            return choice([unpacked(option, index, count) for option in value.options])
        case Call(result=Value() as result) if _holds_items(result):
            return unpacked(result, index, count)
        case Sequence(repeated=False):
            return value.items[index] if len(value.items) == count else Dead()
    return Item(value, index)


def _holds_items(result: Value) -> bool:
    """Every value that a call can return is a tuple, which is known item by item."""
    return all(isinstance(option, Sequence) and not option.repeated for option in alternatives(result))


def elements(value: Value) -> tuple[Value, ...]:
    """What a loop over the value sees, one by one; a module of a list is reached by its index."""
    match value:
        case Sequence():
            return tuple(element_at(value, index) for index in range(len(value.items)))
        case Choice():
            return tuple(element for option in value.options for element in elements(option))
    return (Item(value, "each"),)


def element_at(value: Sequence, index: int) -> Value:
    """`value[index]`: a module of a ModuleList hangs below the list, at `*` when a loop made the list."""
    item = value.items[index]
    if not value.is_modules or value.path is None:
        return item
    path = f"{value.path}.{'*' if value.repeated else index}"
    return choice([_moved(option, path) for option in alternatives(item)])


def _moved(value: Value, path: str) -> Value:
    match value:
        case Instance():
            return value.moved(path)
        case Sequence(is_modules=True):
            return _placed(value, path)
    return value
