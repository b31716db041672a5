"""Questions about the graph of values: who consumes a value, and what is reached first below it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

import libcst as cst

from adaptergen.source import ClassSource, SourceModule, descendants
from adaptergen.tracing.values import (
    Call,
    Choice,
    External,
    Input,
    Instance,
    Sequence,
    Value,
    alternatives,
    config_path,
    is_whole,
)


LINEAR = ("torch.nn.Linear", "transformers.pytorch_utils.Conv1D")
DROPOUT = ("Dropout", "DropPath", "StochasticDepth")
_NORM = re.compile(r"Norm(\dd)?$")


def walk(value: Value, *, stop: Value | None = None) -> Iterator[Value]:
    """The value and everything it is made from, nearest first, not looking behind `stop`, nor what it can be."""
    seen: set[int] = set()
    stops = _stops(stop)
    queue: list[Value] = [value]
    for current in queue:
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if id(current) not in stops:
            queue.extend(current.parts())


def _stops(stop: Value | None) -> frozenset[int]:
    return frozenset() if stop is None else frozenset(map(id, (stop, *alternatives(stop))))


def between(value: Value, source: Value) -> dict[int, Value]:
    """What the value is made from on the way from another one: nothing that the other is made from, too."""
    before = {id(part) for part in walk(source)}
    return {id(part): part for part in walk(value, stop=source) if id(part) not in before}


def depends_on(value: Value, other: Value) -> bool:
    return id(other) in _made_from(value)


@lru_cache(64)
def _made_from(value: Value) -> frozenset[int]:
    """One value is asked about again and again. As long as it is remembered, no other object has one of these ids."""
    return frozenset(map(id, walk(value)))


def reached(value: Value, goal: Callable[[Value], bool], *, stop: Value | None = None) -> list[Value]:
    """The nearest values below (or at) this one that satisfy the goal, never looking behind one of them."""
    seen: set[int] = set()
    found: list[Value] = []
    queue = [value]
    stops = _stops(stop)
    for current in queue:
        if id(current) in seen or id(current) in stops:
            continue
        seen.add(id(current))
        if goal(current):
            found.append(current)
        else:
            queue.extend(current.parts())
    return found


class Consumers:
    """Who uses each value, looking through tuples and choices, over everything that leads to the roots."""

    def __init__(self, roots: Iterable[Value]) -> None:
        self._users: dict[int, list[Value]] = {}
        seen: set[int] = set()
        for root in roots:
            for value in walk(root):
                if id(value) in seen:
                    continue
                seen.add(id(value))
                for part in value.parts():
                    self._users.setdefault(id(part), []).append(value)

    def of(self, value: Value) -> Iterator[Value]:
        """The calls, sums and operations that take the value."""
        seen: set[int] = set()
        queue = list(self._users.get(id(value), ()))
        for user in queue:
            if id(user) in seen:
                continue
            seen.add(id(user))
            if isinstance(user, Choice | Sequence) or (isinstance(user, Call) and user.result is not None):
                queue.extend(self._users.get(id(user), ()))
            else:
                yield user


def module_of(value: Value) -> Instance | None:
    """The module that a call calls."""
    return value.callee if isinstance(value, Call) and isinstance(value.callee, Instance) else None


def is_linear(instance: Instance) -> bool:
    return derives_from(instance, LINEAR)


def is_norm(instance: Instance) -> bool:
    if isinstance(instance.cls, ClassSource):
        return _is_norm_class(instance.cls)
    return bool(_NORM.search(instance.class_name))


def _is_norm_class(cls: ClassSource) -> bool:
    """By its name; but a class that is called after the norms around its attention makes more than norms."""
    return bool(_NORM.search(cls.name)) and all(_NORM.search(made) for made in _makes(cls))


def _makes(cls: ClassSource) -> Iterator[str]:
    """Names of the classes of the file that a class makes instances of when it is made."""
    constructor = cls.methods.get("__init__")
    for call in descendants(constructor, cst.Call) if constructor else ():
        if isinstance(call.func, cst.Name) and call.func.value in cls.module.classes:
            yield call.func.value


def is_dropout(instance: Instance) -> bool:
    return instance.class_name.rpartition(".")[2].endswith(DROPOUT)


def is_input(value: Value) -> bool:
    """Is it what a followed method was given?"""
    return isinstance(value, Input)


def is_linear_call(value: Value) -> bool:
    instance = module_of(value)
    return instance is not None and is_linear(instance)


def is_norm_call(value: Value) -> bool:
    instance = module_of(value)
    return instance is not None and is_norm(instance)


def derives_from(instance: Instance, dotted: tuple[str, ...]) -> bool:
    """Is the instance of one of these external classes, or of a class of the file that derives from one?"""
    if isinstance(instance.cls, External):
        return instance.cls.dotted in dotted
    return bool(external_bases(instance.cls) & set(dotted))


def external_bases(cls: ClassSource) -> frozenset[str]:
    """Dotted names of the imported classes that a class derives from, directly or through the file."""
    bases = (base for ancestor in cls.module.ancestry(cls.name) for base in ancestor.bases)
    return frozenset(dotted for base in bases if (dotted := _dotted(cls.module, base)))


def _dotted(module: SourceModule, name: str) -> str:
    head, _, rest = name.partition(".")
    imported = module.imports.get(head)
    if imported is None:
        return ""
    return f"{imported.dotted}.{rest}" if rest else imported.dotted


def config_of(instance: Instance) -> str:
    """The path of the configuration that a module is made of: "" for the model's own, or e.g. "text_config"."""
    for argument in (*instance.args, *instance.kwargs.values()):
        path = config_path(argument)
        if path is not None:
            return path if is_whole(path) else path.rpartition(".")[0]
    return ""


def leaf_classes(source: SourceModule) -> frozenset[str]:
    """Classes that are one step for our purposes: norms, and subclasses of torch's linear layers."""
    return frozenset(
        name for name, cls in source.classes.items() if _is_norm_class(cls) or external_bases(cls) & set(LINEAR)
    )
