"""What is a value when a condition is not known? One of its alternatives, as few as can be told apart."""

from __future__ import annotations

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
    Sequence,
    SuperOf,
    Value,
)


MOST = 100  # alternatives that are kept apart; models have a third of them


def choice(options: list[Value]) -> Value:
    """One value out of the alternatives that can happen: dead ones dropped, equal ones once; of too many, anything."""
    if options and all(option is options[0] for option in options):
        return options[0]
    alive: dict[object, Value] = {}
    for option in options:
        for single in option.options if isinstance(option, Choice) else (option,):
            if not isinstance(single, Dead):
                alive.setdefault(_identity(single), single)
    if not alive:
        return Dead()
    if len(alive) > MOST:
        return Value()
    return next(iter(alive.values())) if len(alive) == 1 else Choice(tuple(alive.values()))


def _identity(value: Value) -> object:
    """The same for two values that are one."""
    match value:
        case Constant(value=held):
            return Constant, type(held), held
        case Config(path=path, assigned=assigned) if not assigned:
            return Config, path
        case External(dotted=dotted):
            return External, dotted
        case ClassReference(cls=cls):
            return ClassReference, id(cls)
    return id(value)


def is_structured(value: Value) -> bool:
    """A choice between things whose attributes, items and methods are known one by one, unlike tensors."""
    known = (Instance, External, SuperOf, Sequence, Dictionary, Config, ClassReference, Function)
    return isinstance(value, Choice) and any(
        isinstance(option.value if isinstance(option, Attribute) else option, known) for option in value.options
    )
