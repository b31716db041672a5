"""Which attention modules does a layer have, and which of their attributes tell the width of a head and the mask?"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from adaptergen.analysis.attention import AttentionCall
from adaptergen.analysis.blocks import TracedLayer
from adaptergen.analysis.scores import Unclear, find_scores
from adaptergen.analysis.states import projected
from adaptergen.facts import Attention, Scores
from adaptergen.source import ClassSource, descendants
from adaptergen.tracing.graph import is_linear_call, reached
from adaptergen.tracing.values import Attribute, Constant, Instance, Operation, Sequence, Sum, Value


RESHAPES = ("view", "reshape", "unflatten")


def find_attentions(layer: TracedLayer, calls: list[AttentionCall]) -> Iterator[Attention]:
    """One entry per attention module and class that it can be."""
    modules: dict[tuple[str, str], list[AttentionCall]] = {}
    for call in calls:
        modules.setdefault((call.module.path, call.module.class_name), []).append(call)
    for (path, cls), computed in modules.items():
        scores, why_not = _scores(computed)
        last = computed[-1]
        keys = next((part.path for part in projected(last.key)), "")
        head_dim = _head_dim(last.key, keys.removeprefix(f"{path}."))
        if scores is not None and not head_dim:
            scores, why_not = None, "the width of a head is not read from an attribute of the module"
        yield Attention(
            path=path,
            cls=cls,
            kind=last.kind,
            keys=keys,
            head_dim=head_dim,
            is_causal="is_causal" if "is_causal" in layer.tracer.attributes(last.module) else None,
            scores=scores,
            why_not=why_not,
            at=last.output.at.module.at(last.output.at.statement),
            keeps_config=last.form != "by_hand" or _keeps_config(last.module),
            is_optional=path.partition(".")[0] in layer.instance.making.conditional,
        )


def _keeps_config(module: Instance) -> bool:
    """Does a constructor of the file set `self.config`?"""
    assert isinstance(module.cls, ClassSource)
    constructors = (ancestor.methods.get("__init__") for ancestor in module.cls.module.ancestry(module.cls.name))
    assigned = (node for body in constructors if body for node in descendants(body, cst.AssignTarget))
    return any(_is_own_config(node.target) for node in assigned)


def _is_own_config(target: cst.BaseAssignTargetExpression) -> bool:
    match target:
        case cst.Attribute(value=cst.Name(value="self"), attr=cst.Name(value="config")):
            return True
    return False


def _scores(calls: list[AttentionCall]) -> tuple[Scores | None, str]:
    if all(call.form == "kernel" for call in calls):
        kernel = calls[0].output
        assert isinstance(kernel, Operation)
        return None, f"attention is computed inside {kernel.name}"
    try:
        return find_scores(calls), ""
    except Unclear as reason:
        return None, str(reason)


def _head_dim(key: Value, projection: str) -> str:
    """
    What ends the shape which the projected keys are viewed in: an attribute; or -1, after an attribute that tells the
    number of heads. Then the projection's width is divided by it.
    """
    for view in _reshapes(key):
        *_, heads, width = (Value(), *_dimensions(view.args[1:]))
        if isinstance(width, Attribute):
            return width.name
        if isinstance(heads, Attribute) and isinstance(width, Constant) and width.value == -1:
            return f"{projection}.out_features // self.{heads.name}"
    return ""


def _reshapes(key: Value) -> Iterator[Operation]:
    """Views of the projected keys, the last first."""
    queue, seen = [key], set[int]()
    for value in queue:
        if id(value) in seen or is_linear_call(value):
            continue
        seen.add(id(value))
        if isinstance(value, Operation) and value.name in RESHAPES and reached(value, is_linear_call):
            yield value
        queue.extend(value.parts())


def _dimensions(shape: tuple[Value, ...]) -> tuple[Value, ...]:
    """`(…, heads, head_dim)` of one sequence, of a sum of shapes, or of separate arguments."""
    match shape:
        case (Sequence(items=items),):
            return items
        case (Sum(right=right),):
            return _dimensions((right,))
    return shape
