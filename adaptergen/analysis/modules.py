"""Which attention modules does a layer have, and which of their attributes tell the width of a head and the mask?"""

from __future__ import annotations

from collections.abc import Iterator

from adaptergen.analysis.attention import AttentionCall
from adaptergen.analysis.blocks import TracedLayer
from adaptergen.analysis.scores import Unclear, find_scores
from adaptergen.analysis.states import projected
from adaptergen.facts import Attention, Scores
from adaptergen.tracing.graph import is_linear_call, reached
from adaptergen.tracing.values import Attribute, Operation, Sequence, Sum, Value


RESHAPES = ("view", "reshape", "unflatten")


def find_attentions(layer: TracedLayer, calls: list[AttentionCall]) -> Iterator[Attention]:
    """One entry per attention module and class that it can be."""
    modules: dict[tuple[str, str], list[AttentionCall]] = {}
    for call in calls:
        modules.setdefault((call.module.path, call.module.class_name), []).append(call)
    for (path, cls), computed in modules.items():
        scores, why_not = _scores(computed)
        last = computed[-1]
        head_dim = _head_dim(last.key)
        if scores is not None and not head_dim:
            scores, why_not = None, "the width of a head is not read from an attribute of the module"
        yield Attention(
            path=path,
            cls=cls,
            kind=last.kind,
            keys=next((part.path for part in projected(last.key)), ""),
            head_dim=head_dim,
            is_causal="is_causal" if "is_causal" in layer.tracer.attributes(last.module) else None,
            scores=scores,
            why_not=why_not,
            at=last.output.at.module.at(last.output.at.statement),
            is_optional=path.partition(".")[0] in layer.instance.making.conditional,
        )


def _scores(calls: list[AttentionCall]) -> tuple[Scores | None, str]:
    if all(call.form == "kernel" for call in calls):
        kernel = calls[0].output
        assert isinstance(kernel, Operation)
        return None, f"attention is computed inside {kernel.name}"
    try:
        return find_scores(calls), ""
    except Unclear as reason:
        return None, str(reason)


def _head_dim(key: Value) -> str:
    """The attribute that ends the shape which the projected keys are viewed in."""
    for view in reached(key, _is_reshape):
        assert isinstance(view, Operation)
        last = _last_dimension(view.args[-1])
        if isinstance(last, Attribute):
            return last.name
    return ""


def _is_reshape(value: Value) -> bool:
    return isinstance(value, Operation) and value.name in RESHAPES and bool(reached(value, is_linear_call))


def _last_dimension(shape: Value) -> Value:
    """`head_dim` of `(batch, -1, heads, head_dim)`, of a sum of shapes, or of separate arguments."""
    match shape:
        case Sequence(items=(*_, last)):
            return last
        case Sum(right=right):
            return _last_dimension(right)
    return shape
