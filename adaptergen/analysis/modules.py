"""Which attention modules does a layer have, where do they compute scores, and how wide are their heads?"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
from msgspec.structs import replace

from adaptergen.analysis.attention import OPEN_KERNELS, AttentionCall
from adaptergen.analysis.attention_function import find_function
from adaptergen.analysis.blocks import TracedLayer
from adaptergen.analysis.exchanged import exchanges
from adaptergen.analysis.hidden import find_hidden, width_of
from adaptergen.analysis.score_names import Unclear, outermost_site
from adaptergen.analysis.scores import find_scores
from adaptergen.analysis.states import projected
from adaptergen.analysis.told_causal import told_causal
from adaptergen.analysis.widths import find_widths, has_length_last
from adaptergen.facts import Attention, HeadWidths, Scores
from adaptergen.source import ClassSource, descendants
from adaptergen.tracing.values import Call, Instance, Operation, Value


def find_attentions(layer: TracedLayer, calls: list[AttentionCall]) -> Iterator[Attention]:
    """One entry per attention module and class that it can be."""
    modules: dict[tuple[str, str], list[AttentionCall]] = {}
    for call in calls:
        modules.setdefault((call.module.path, call.module.class_name), []).append(call)
    for (path, cls), computed in modules.items():
        scores, why_not = _scores(computed)
        if exchange := next(exchanges(layer, path), ""):
            scores, why_not = None, f"{exchange} puts another module in its place"
        last = computed[-1]
        widths = _widths(computed, scores) if scores else HeadWidths()
        if scores is not None and any(_are_channels(call, scores) for call in computed):
            scores, why_not = None, "its queries and keys are channels, so that there is no position for a prefix"
        if scores is not None and not widths.head_dim:
            scores, why_not = None, "the width of a head does not follow from attributes of the module"
        yield Attention(
            path=path,
            cls=cls,
            kind=last.kind,
            keys=next((part.path for part in projected(last.key)), ""),
            widths=widths,
            is_causal="is_causal" if "is_causal" in layer.tracer.attributes(last.module) else None,
            scores=scores,
            why_not=why_not,
            at=last.output.at.module.at(last.output.at.statement),
            keeps_config=last.form == "interface" or _keeps_config(last.module),
            told_causal=_told_causal(last, scores),
            is_optional=path.partition(".")[0] in layer.instance.making.conditional,
        )


def _told_causal(call: AttentionCall, scores: Scores | None) -> str:
    """Only what reaches the method where keys and values are complete can be read there."""
    at = call.output.at
    is_here = (
        scores is not None and not scores.function and (scores.site.cls, scores.site.method) == (at.cls, at.method)
    )
    return told_causal(call.output) if is_here and isinstance(call.output, Call) else ""


def _widths(calls: list[AttentionCall], scores: Scores) -> HeadWidths:
    """The widths of what the prefix is added to, as the first call tells them that does."""
    found = (_widths_of(call, scores) for call in (calls if scores.function else calls[-1:]))
    return next((widths for widths in found if widths.head_dim), HeadWidths())


def _widths_of(call: AttentionCall, scores: Scores) -> HeadWidths:
    widths = find_widths(*_states(call, scores), call.module)
    hidden = find_hidden(call, outermost_site(call))
    return replace(widths, hidden_dim=width_of(hidden, call, call.module)) if hidden else widths


def _are_channels(call: AttentionCall, scores: Scores) -> bool:
    query, key, _ = _states(call, scores)
    return has_length_last(key, query, call.module) and has_length_last(query, key, call.module)


def _states(call: AttentionCall, scores: Scores) -> tuple[Value, Value, Value]:
    """Queries, keys and values where the prefix is added."""
    if scores.function:
        return call.query, call.key, call.value
    names = outermost_site(call).names
    return names[scores.query], names[scores.key], names[scores.value]


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
    kernels = [call.output for call in calls if call.form == "kernel"]
    closed = [kernel.name for kernel in kernels if isinstance(kernel, Operation) and kernel.name not in OPEN_KERNELS]
    if closed:
        return None, f"attention is computed inside {closed[0]}"
    try:
        return find_scores(calls), ""
    except Unclear as reason:
        why_not = str(reason)
    if any(call.form != "interface" for call in calls):
        return None, why_not
    try:
        return find_function(calls), ""
    except Unclear as reason:
        return None, f"{why_not}; {reason}"
