"""Is a module replaced by another after it was made, and whatever is kept in it lost?

def set_attention_type(self, value):
    attention = BigBirdSelfAttention(self.config) if value == "original_full" else ...
    self.self = attention
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from adaptergen.analysis.blocks import TracedLayer
from adaptergen.nodes import STATEMENTS, children, statements
from adaptergen.source import ClassSource
from adaptergen.tracing.values import Choice, Instance, Value


def exchanges(layer: TracedLayer, path: str) -> Iterator[str]:
    """Which methods replace the module at the path below the layer, or one that it is in, and where."""
    owners: list[Value] = [layer.instance]
    for name in path.split("."):
        modules = [module for owner in owners for module in _instances(owner)]
        for module in modules:
            yield from _replacing(module, name)
        owners = [held[name] for module in modules if name in (held := layer.tracer.attributes(module))]


def _instances(value: Value) -> Iterator[Instance]:
    match value:
        case Instance(cls=ClassSource()):
            yield value
        case Choice(options=options):
            for option in options:
                yield from _instances(option)


def _replacing(module: Instance, name: str) -> Iterator[str]:
    assert isinstance(module.cls, ClassSource)
    for ancestor in module.cls.module.ancestry(module.cls.name):
        for method, body in ancestor.methods.items():
            for statement in statements(body) if method != "__init__" else ():
                if any(_is_own(target.target, name) for target in _targets(statement)):
                    yield f"{method} of {ancestor.name} (line {ancestor.module.at(statement).line})"


def _targets(node: cst.CSTNode) -> Iterator[cst.AssignTarget]:
    """What a statement assigns itself, also behind its colon, but not what the statements in it assign."""
    for child in children(node):
        if isinstance(child, cst.AssignTarget):
            yield child
        elif not isinstance(child, (cst.IndentedBlock, *STATEMENTS)):
            yield from _targets(child)


def _is_own(target: cst.BaseAssignTargetExpression, name: str) -> bool:
    match target:
        case cst.Attribute(value=cst.Name(value="self"), attr=cst.Name(value=attribute)):
            return attribute == name
    return False
