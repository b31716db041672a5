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


def choice(options: list[Value]) -> Value:
    """One value out of the alternatives that can happen: dead ones dropped, equal ones once."""
    if options and all(option is options[0] for option in options):
        return options[0]
    alive: list[Value] = []
    for option in options:
        for single in option.options if isinstance(option, Choice) else (option,):
            if not isinstance(single, Dead) and not any(_same(single, known) for known in alive):
                alive.append(single)
    if not alive:
        return Dead()
    return alive[0] if len(alive) == 1 else Choice(tuple(alive))


def _same(left: Value, right: Value) -> bool:
    if left is right:
        return True
    match left, right:
        case Constant(value=a), Constant(value=b):
            return type(a) is type(b) and a == b
        case Config(path=a, assigned=x), Config(path=b, assigned=y):
            return a == b and not x and not y
        case External(dotted=a), External(dotted=b):
            return a == b
        case ClassReference(cls=a), ClassReference(cls=b):
            return a is b
    return False


def is_structured(value: Value) -> bool:
    """A choice between things whose attributes, items and methods are known one by one, unlike tensors."""
    known = (Instance, External, SuperOf, Sequence, Dictionary, Config, ClassReference, Function)
    return isinstance(value, Choice) and any(
        isinstance(option.value if isinstance(option, Attribute) else option, known) for option in value.options
    )
