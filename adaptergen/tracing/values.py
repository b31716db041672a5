"""What the names of a modeling file stand for while its methods are followed.

Values form a graph and are compared by identity: the tensor that leaves a layer norm *is* one node, wherever
it goes, so "who consumes this sum" and "does this branch depend on that input" are questions about the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import libcst as cst
from msgspec import Struct, field

from adaptergen.source import ClassSource, SourceModule, Statement


# Attributes and methods that tell about a tensor without carrying its data: no dependency runs through them.
MEASURES = frozenset(
    {"shape", "size", "dim", "ndim", "numel", "dtype", "device", "zeros_like", "ones_like", "empty_like", "full_like"}
)


class Site(Struct, frozen=True, eq=False):
    """The statement of a method (as defined in a class or module) that made a value, and for which module instance."""

    module: SourceModule
    cls: str  # the class that defines the method, "" for a module-level function
    method: str
    statement: Statement
    expression: cst.BaseExpression
    instance: Instance | None
    names: Mapping[str, Value]  # what was bound at this point
    caller: Site | None  # the call that led into this method


class Value(Struct, frozen=True, eq=False):
    """Anything. A bare `Value` is something that nothing is known about."""

    __repr__ = object.__repr__  # a graph, in which everything is many times

    def parts(self) -> tuple[Value, ...]:
        """The values that this one is made from."""
        return ()


class Dead(Value, frozen=True):
    """The result of code that cannot run, such as a call with an argument that the callee does not take."""


class Constant(Value, frozen=True):
    value: object


class Input(Value, frozen=True):
    """A parameter of the method where following began; optional when it has a default."""

    name: str
    optional: bool = False


class Config(Value, frozen=True):
    """The configuration object ("") or one of its attributes, with what the code has assigned to it."""

    path: str = ""
    assigned: Mapping[str, Value] = {}

    def attribute(self, name: str) -> Value:
        return self.assigned.get(name) or Config(f"{self.path}.{name}" if self.path else name)


class External(Value, frozen=True):
    """Something imported from another file, by its dotted name."""

    dotted: str


class ClassReference(Value, frozen=True):
    cls: ClassSource


class Function(Value, frozen=True):
    """A function or a method of the file, bound to an instance when it has one."""

    node: cst.FunctionDef | cst.Lambda
    module: SourceModule
    owner: ClassSource | None = None
    instance: Instance | None = None


class SuperOf(Value, frozen=True):
    """`super()` inside a method that `owner` defines."""

    owner: ClassSource
    instance: Instance


class Making(Struct):
    """What becomes known of an instance while constructors are followed."""

    path: str | None = None  # where it hangs below the instance where following began; "" for that one
    attributes: dict[str, Value] | None = None  # what its own constructor gave it, once that was followed
    conditional: set[str] = set()  # attributes that only some configurations have


class Instance(Value, frozen=True):
    """An object made by calling a class: a module of this file, of torch, or an output dataclass."""

    cls: ClassSource | External
    args: tuple[Value, ...] = ()
    kwargs: Mapping[str, Value] = {}
    making: Making = field(default_factory=Making)

    def parts(self) -> tuple[Value, ...]:
        return (*self.args, *self.kwargs.values()) if self.is_record else ()

    @property
    def is_record(self) -> bool:
        """Does it hold what it was made with, and nothing else? Outputs do, and so does whatever is not followed."""
        return isinstance(self.cls, External) or self.cls.is_dataclass

    def moved(self, path: str) -> Instance:
        """The same module reached by another path, its own modules not yet made."""
        return Instance(self.cls, self.args, self.kwargs, Making(path))

    @property
    def path(self) -> str:
        return self.making.path or ""

    @property
    def class_name(self) -> str:
        return self.cls.name if isinstance(self.cls, ClassSource) else self.cls.dotted


class Sequence(Value, frozen=True):
    """A tuple, list or ModuleList; `repeated` when a loop or comprehension made it from one element."""

    items: tuple[Value, ...]
    repeated: bool = False
    is_modules: bool = False
    path: str | None = None

    def parts(self) -> tuple[Value, ...]:
        return self.items


class Dictionary(Value, frozen=True):
    items: Mapping[object, Value]

    def parts(self) -> tuple[Value, ...]:
        return tuple(self.items.values())


class Choice(Value, frozen=True):
    """One of several values, because a condition is not known."""

    options: tuple[Value, ...]

    def parts(self) -> tuple[Value, ...]:
        return self.options


class IsNone(Value, frozen=True):
    """`value is None`, or `value is not None` when negated."""

    value: Value
    negated: bool

    def parts(self) -> tuple[Value, ...]:
        return (self.value,)


class Both(Value, frozen=True):
    """`left and right`, as a condition."""

    terms: tuple[Value, ...]

    def parts(self) -> tuple[Value, ...]:
        return self.terms


class Attribute(Value, frozen=True):
    """`owner.name` where nothing more is known; for `self.name` also the value that the constructor gave it."""

    owner: Value
    name: str
    value: Value | None = None

    def parts(self) -> tuple[Value, ...]:
        if self.name in MEASURES:
            return ()
        return (self.value,) if self.value is not None else (self.owner,)


class Item(Value, frozen=True):
    """`value[index]`, with the index as an integer where it is one and as text otherwise."""

    value: Value
    index: int | str
    arguments: tuple[Value, ...] = ()
    bounds: tuple[Value | None, ...] = ()  # of the last slice, where it has some and no step

    def parts(self) -> tuple[Value, ...]:
        return _returned(self.value, self.index) or (self.value, *self.arguments)


class Sum(Value, frozen=True, dict=True):
    """`left + right`."""

    left: Value
    right: Value
    at: Site

    @cached_property
    def terms(self) -> int:
        """How many values are added up, where sums are added: those of each."""
        return sum(side.terms if isinstance(side, Sum) else 1 for side in (self.left, self.right))

    def parts(self) -> tuple[Value, ...]:
        return (self.left, self.right)


class Operation(Value, frozen=True):
    """A call of something outside the file, a tensor method, or an operator, by its name."""

    name: str
    args: tuple[Value, ...]
    kwargs: Mapping[str, Value]
    at: Site
    origin: str = ""  # the dotted name of the function, "" for tensor methods and operators

    @property
    def first(self) -> Value:
        return _first(self.args, self.kwargs)

    def parts(self) -> tuple[Value, ...]:
        return () if self.name in MEASURES else (*self.args, *self.kwargs.values())


class Call(Value, frozen=True):
    """A call of a module (or of any value): followed into when its class is in the file."""

    callee: Value
    args: tuple[Value, ...]
    kwargs: Mapping[str, Value]
    at: Site
    result: Value | None = None  # what following the callee gave; None for a leaf such as nn.Linear

    @property
    def first(self) -> Value:
        return _first(self.args, self.kwargs)

    def parts(self) -> tuple[Value, ...]:
        return (self.result,) if self.result is not None else (*self.args, *self.kwargs.values())


def _first(args: tuple[Value, ...], kwargs: Mapping[str, Value]) -> Value:
    """What is given first, by place or as `input`, as functions and modules of torch call it; else anything."""
    return args[0] if args else kwargs.get("input", Value())


def _returned(value: Value, index: int | str) -> tuple[Value, ...]:
    """Of several values that a followed call gives, the one that is taken; () where that cannot be told."""
    given = value.result if isinstance(value, Call) else None
    if given is None or not isinstance(index, int):
        return ()
    tuples = [_items(each) for each in alternatives(given)]
    return tuple(items[index] for items in tuples) if all(-1 < index < len(items) for items in tuples) else ()


def _items(value: Value) -> tuple[Value, ...]:
    """Those of a tuple, or those that a longer one begins with."""
    match value:
        case Sequence(repeated=False, items=items):
            return items
        case Sum(left=Sequence(repeated=False, items=items)):
            return items
    return ()


def alternatives(value: Value) -> tuple[Value, ...]:
    return value.options if isinstance(value, Choice) else (value,)


def is_whole(path: str) -> bool:
    """Does the path lead to a configuration, that of the model or of a part of it, and not to a setting in one?"""
    return not path or path.endswith("config")


def config_path(value: Value) -> str | None:
    """`text_config` for a value that was read from `config.text_config`, "" for `config`, None for anything else."""
    paths = (path for path in map(_config_path, alternatives(value)) if path is not None)
    return next(paths, None)


def _config_path(value: Value) -> str | None:
    while isinstance(value, Attribute) and value.value is not None:
        value = value.value
    return value.path if isinstance(value, Config) else None
