"""Follow methods of a modeling file, symbolically: which values reach which statement, through which modules.

    tracer = Tracer(source)
    layer = tracer.make("GPTNeoBlock", config=Config())
    output = tracer.call_method(layer, "forward")

Nothing is executed. A condition that is not known makes both branches happen; a call with an argument that the
callee does not take cannot happen. What was met on the way (sums, calls, operations) is kept in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import libcst as cst
from msgspec import Struct

from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.source import ClassSource, SourceModule, Statement
from adaptergen.tracing import calls, statements
from adaptergen.tracing.choices import choice
from adaptergen.tracing.values import Call, Dead, External, Input, Instance, Making, Operation, Site, Sum, Value


MAX_STEPS = 200_000
MAX_DEPTH = 40

# Base classes whose own code says nothing about an architecture; their files are not read.
FRAMEWORK = frozenset({"PreTrainedModel", "GenerationMixin", "GradientCheckpointingLayer", "ModelOutput"})

Loader = Callable[[str], SourceModule | None]


class Frame(Struct):
    """One call in progress: its names, its place, and what it has returned so far."""

    module: SourceModule
    owner: ClassSource | None
    method: str
    instance: Instance | None
    node: cst.FunctionDef
    caller: Site | None
    names: dict[str, Value] = {}
    returned: list[Value] = []
    assumed: set[int] = set()  # ids of values known not to be None here
    statement: Statement | None = None
    loops: int = 0

    def site(self, expression: cst.BaseExpression) -> Site:
        assert self.statement is not None
        cls = self.owner.name if self.owner else ""
        names = dict(self.names)
        return Site(self.module, cls, self.method, self.statement, expression, self.instance, names, self.caller)


class Tracer:
    """Follows the methods of one module; classes named in `leaves` are called without being followed into."""

    def __init__(
        self,
        source: SourceModule,
        *,
        leaves: Iterable[str] = (),
        load: Loader = lambda module: None,
        auto_model: ClassSource | None = None,
    ) -> None:
        self.source = source
        self.leaves = frozenset(leaves)
        self.load = load
        self.auto_model = auto_model
        self.sums: list[Sum] = []
        self.calls: list[Call] = []
        self.operations: list[Operation] = []
        self._frames: list[Frame] = []
        self._steps = 0

    def make(self, cls: str, *args: Value, **kwargs: Value) -> Instance:
        return Instance(self.source.classes[cls], args, kwargs, Making(path=""))

    def call_method(self, instance: Instance, method: str) -> Value:
        """Follow a method whose parameters are all inputs."""
        assert isinstance(instance.cls, ClassSource)
        found = self.find_method(instance.cls, method)
        if found is None:
            return Dead()
        owner, node = found
        names = inputs(node)
        return self.run(node, owner.module, owner, instance, names)

    def run(
        self,
        node: cst.FunctionDef,
        module: SourceModule,
        owner: ClassSource | None,
        instance: Instance | None,
        names: Mapping[str, Value],
        caller: Site | None = None,
    ) -> Value:
        """Follow the body of a function whose parameters are bound; the result is what it can return."""
        if len(self._frames) >= MAX_DEPTH or self._is_running(node, instance):
            return Value()
        if instance is not None:
            self.attributes(instance)
        frame = Frame(module, owner, node.name.value, instance, node, caller, dict(names))
        self._frames.append(frame)
        try:
            ended = statements.run_block(self, frame, node.body)
        finally:
            self._frames.pop()
        if not ended:
            frame.returned.append(statements.NOTHING)
        return choice(frame.returned)

    def _is_running(self, node: cst.FunctionDef, instance: Instance | None) -> bool:
        return any(frame.node is node and frame.instance is instance for frame in self._frames)

    def step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            message = f"following it takes more than {MAX_STEPS} steps"
            fix = "take the longest method of the file apart"
            raise ProblemsFound(Problem("too-complex", message, Location(self.source.path), fix))

    def is_present(self, value: Value) -> bool:
        """Is the value known not to be None at this point?"""
        return any(id(value) in frame.assumed for frame in self._frames)

    @contextmanager
    def assuming(self, frame: Frame, values: Iterable[Value]) -> Iterator[None]:
        before = set(frame.assumed)
        frame.assumed.update(map(id, values))
        try:
            yield
        finally:
            frame.assumed = before

    def find_method(self, cls: ClassSource, method: str) -> tuple[ClassSource, cst.FunctionDef] | None:
        """The method as defined by the class, its ancestors here, or ancestors in a file that can be loaded."""
        found = cls.module.find_method(cls.name, method)
        if found is not None:
            return found
        for ancestor in cls.module.ancestry(cls.name):
            for base in ancestor.bases:
                external = self.load_class(cls.module, base)
                found = self.find_method(external, method) if external else None
                if found is not None:
                    return found
        return None

    def load_class(self, module: SourceModule, name: str) -> ClassSource | None:
        """A class that the module imports, if its file can be loaded."""
        imported = module.imports.get(name)
        if imported is None or name in FRAMEWORK:
            return None
        origin, _, class_name = imported.dotted.rpartition(".")
        loaded = self.load(origin)
        return loaded.classes.get(class_name) if loaded else None

    def attributes(self, instance: Instance) -> dict[str, Value]:
        """What the constructor gives the instance, following it when asked for the first time."""
        if instance.making.attributes is None:
            instance.making.attributes = {}
            if isinstance(instance.cls, ClassSource):
                calls.construct(self, instance)
        return instance.making.attributes


def inputs(node: cst.FunctionDef) -> dict[str, Value]:
    """Every parameter after `self` as an input of the method."""
    parameters = [*node.params.posonly_params, *node.params.params, *node.params.kwonly_params]
    return {
        parameter.name.value: Input(parameter.name.value, parameter.default is not None)
        for parameter in parameters
        if parameter.name.value != "self"
    }


__all__ = ["Call", "External", "Frame", "Instance", "Operation", "Sum", "Tracer", "inputs"]
