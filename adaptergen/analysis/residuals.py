"""What do the residual additions of a layer say: which sub-layer, which operands, which norm?

hidden_states = attn_output + residual
                ^^^^^^^^^^^ branch      depends on the stream through modules
                              ^^^^^^^^ stream
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import libcst as cst
from msgspec.structs import replace

from adaptergen.analysis.additions import Addition, additions, expression, is_weighted, transforms, unclear_sums
from adaptergen.analysis.attention import (
    AttentionCall,
    attention_calls,
    first_input,
    is_nothing,
    unclear_kind,
    unclear_scores,
)
from adaptergen.analysis.blocks import TracedLayer
from adaptergen.analysis.inlining import inlined
from adaptergen.analysis.statements import binds, enclosing_blocks, method_node, statement_site
from adaptergen.analysis.turns import turns
from adaptergen.analysis.unfit_sums import comes_from_convolution
from adaptergen.facts import AttentionKind, Residual, StatementSite, Sublayer
from adaptergen.problems import Location
from adaptergen.source import Statement
from adaptergen.tracing.graph import Consumers, between, is_norm_call, module_of, reached, walk
from adaptergen.tracing.values import Call, Choice, Input, Site, Sum, Value, alternatives


def find_residuals(layer: TracedLayer) -> Iterator[Residual]:
    """The additions in the order in which they happen; branches of one sum follow each other, attention first."""
    attentions = attention_calls(layer)
    consumers = Consumers([layer.output])
    found: list[tuple[Site, Residual]] = []
    added = [addition for addition in additions(layer) if not comes_from_convolution(addition)]
    for _, group in groupby(added, key=lambda addition: id(addition.total)):
        branches = list(group)
        at = branches[0].total.at
        found += [(at, residual) for residual in _residuals(branches, attentions, consumers, first_input(layer))]
    if len(added) == 1 and _is_of_any_kind(added[0], attentions):
        found = [(at, replace(residual, sublayer="any")) for at, residual in found]
    yield from _in_turn(_clear(found))


def find_unclear_sums(layer: TracedLayer) -> Iterator[Location]:
    return (total.at.module.at(total.at.statement) for total in unclear_sums(layer))


def _residuals(
    branches: Sequence[Addition], attentions: list[AttentionCall], consumers: Consumers, stream: str
) -> Iterator[Residual]:
    """Those of one sum: one for each kind of sub-layer, the last of which the norm after the sum belongs to."""
    by_kind: dict[Sublayer, list[Addition]] = {}
    for addition in branches:
        by_kind.setdefault(_sublayer(addition, attentions, stream), []).append(addition)
    kinds = [kind for kind in _ORDER if kind in by_kind]
    norm = _consuming_norm(branches[0].total, consumers)
    for kind in kinds:
        residual = _residual(by_kind[kind], kind, None if norm or len(branches) > 1 else consumers)
        yield residual if norm is None or kind != kinds[-1] else _with_norm(residual, branches[0].total, norm)


_ORDER: tuple[Sublayer, ...] = ("attention", "cross_attention", "several", "feed_forward")


def _residual(branches: list[Addition], kind: Sublayer, consumers: Consumers | None) -> Residual:
    first = branches[0]
    at = first.total.at
    call = None if at.cls else inlined(at)
    site = call.site if call else at
    text = call.text if call else at.module.code
    inner = _inner_norm(first, consumers) if consumers and at.cls else None
    return Residual(
        site=statement_site(site),
        addition=site.module.code(site.expression if call else expression(at)),
        branch=" + ".join(text(addition.branch_term.node) for addition in branches),
        stream=text(first.stream_term.node),
        sublayer=kind,
        host=site.instance.path if site.instance else "",
        host_class=site.instance.class_name if site.instance else "",
        inner_norm=at.module.code(_callee(inner)) if inner else None,
        inner_norm_site=_norm_site(first.total, inner) if inner else None,
        normed=at.module.code(_argument(inner)) if inner else "",
        needs=_needs(branches, site),
    )


def _needs(branches: list[Addition], site: Site) -> str:
    """A module that only some configurations have, and that is asked for around the addition."""
    host = site.instance
    if host is None or not any(isinstance(block, cst.If) for block in _around(site)):
        return ""
    attributes = host.making.attributes or {}
    for value in (value for addition in branches for value in walk(addition.branch, stop=addition.stream)):
        module = module_of(value)
        name = "" if module is None else _below(module.path, host.path).partition(".")[0]
        if name in host.making.conditional or any(map(is_nothing, alternatives(attributes.get(name, Value())))):
            return f"{host.path}.{name}".lstrip(".")
    return ""


def _around(site: Site) -> list[Statement]:
    return enclosing_blocks(method_node(site.module, site.cls, site.method), site.statement)


def _below(path: str, parent: str) -> str:
    """The rest of a path, "" if it does not lead through the parent."""
    prefix = f"{parent}." if parent else ""
    return path.removeprefix(prefix) if path.startswith(prefix) else ""


def _with_norm(residual: Residual, total: Sum, norm: Call) -> Residual:
    module = norm.at.module
    return replace(
        residual,
        norm=module.code(_callee(norm)),
        norm_site=_norm_site(total, norm),
        norm_follows=_is_applied_next(total, norm),
    )


def _is_applied_next(total: Sum, norm: Call) -> bool:
    """`x = self.norm(x)`, and nothing else, in the statement below the one that binds `x` first of all."""
    module, call, above = norm.at.module, norm.at.expression, total.at.statement
    name = binds(module, norm.at.statement, call)
    match call:
        case cst.Call(args=[cst.Arg(value=argument, keyword=None, star="")]) if module.code(argument) == name:
            is_bound = module.code(above).partition("=")[0].strip() == name
            return is_bound and module.following(above) is norm.at.statement
    return False


def _clear(found: list[tuple[Site, Residual]]) -> list[tuple[Site, Residual]]:
    """A mixer that stands next to the attention in one branch belongs to it where the feed-forward has its own."""
    if not any(residual.sublayer == "feed_forward" for _, residual in found):
        return found
    return [(at, replace(r, sublayer="attention") if r.sublayer == "several" else r) for at, r in found]


def _in_turn(found: list[tuple[Site, Residual]]) -> Iterator[Residual]:
    """Each with its number among those of its kind in its module."""
    once = _once(found)
    groups: dict[tuple[str, str, Sublayer], list[Site]] = {}
    for at, residual in once:
        groups.setdefault(_group(residual), []).append(at)
    numbers = {group: iter(turns(sites)) for group, sites in groups.items()}
    for _, residual in once:
        yield replace(residual, turn=next(numbers[_group(residual)]))


def _group(residual: Residual) -> tuple[str, str, Sublayer]:
    return residual.host, residual.host_class, residual.sublayer


def _once(found: list[tuple[Site, Residual]]) -> list[tuple[Site, Residual]]:
    """What one module adds in two calls is one place; it is unclear which, if the calls are of different kinds."""
    met: dict[tuple[StatementSite, str, str, str], tuple[Site, Residual]] = {}
    for at, residual in found:
        key = (residual.site, residual.host, residual.host_class, residual.branch)
        known = met.get(key)
        is_other = known is not None and known[1].sublayer != residual.sublayer
        met[key] = (at, replace(residual, sublayer="several")) if is_other else known or (at, residual)
    return list(met.values())


def _consuming_norm(total: Sum, consumers: Consumers) -> Call | None:
    """The norm that alone takes the sum: then the norm's output is the stream (post-LN)."""
    users = list(consumers.of(total))
    if len(users) == 1 and isinstance(users[0], Call) and is_norm_call(users[0]):
        return users[0]
    return None


def _inner_norm(addition: Addition, consumers: Consumers) -> Call | None:
    """The norm that makes the branch, and nothing else, out of the sub-layer's output (Gemma 2, OLMo 2)."""
    total, norm = addition.total, addition.branch
    if not isinstance(norm, Call) or not is_norm_call(norm) or len(norm.args) != 1 or norm.kwargs:
        return None
    if norm.at.instance is not total.at.instance or list(consumers.of(norm)) != [total]:
        return None
    return norm if norm.at.statement is total.at.statement or _is_bound_right_before(norm, addition) else None


def _is_bound_right_before(norm: Call, addition: Addition) -> bool:
    """`branch = self.norm(output)` in the statement above `stream + branch`."""
    module, total = norm.at.module, addition.total
    bound = binds(module, norm.at.statement, norm.at.expression)
    is_branch = bool(bound) and bound == module.code(addition.branch_term.node)
    return is_branch and module.preceding(total.at.statement) is norm.at.statement


def _callee(norm: Call) -> cst.BaseExpression:
    assert isinstance(norm.at.expression, cst.Call)
    return norm.at.expression.func


def _argument(norm: Call) -> cst.BaseExpression:
    assert isinstance(norm.at.expression, cst.Call)
    return norm.at.expression.args[0].value


def _norm_site(total: Sum, norm: Call) -> StatementSite | None:
    return None if norm.at.statement is total.at.statement else statement_site(norm.at)


def _sublayer(addition: Addition, attentions: list[AttentionCall], stream: str) -> Sublayer:
    inside = between(addition.branch, addition.stream)
    outputs = {id(call.output): call for call in attentions if id(call.output) in inside}
    nearest = reached(addition.branch, lambda value: id(value) in outputs, stop=addition.stream)
    kinds = {_kind(outputs[id(output)], stream) for output in nearest}
    if not kinds:
        kinds = {unclear_kind(softmax, stream) for softmax in unclear_scores(inside)}
    if _sums_two(addition, attentions):
        return "several"
    if not kinds:
        return "feed_forward"
    is_first_stream = any(isinstance(v, Input) and v.name == stream for v in walk(addition.stream))
    return "attention" if "self" in kinds and is_first_stream else "cross_attention"


def _is_of_any_kind(addition: Addition, attentions: list[AttentionCall]) -> bool:
    """Is the branch made by an attention in some layers of the class, and by something else in others?"""
    outputs = {id(call.output) for call in attentions}
    for chosen in reached(addition.branch, lambda v: isinstance(v, Choice) or is_weighted(v), stop=addition.stream):
        made = [option for option in alternatives(chosen) if transforms(option, addition.stream)]
        attends = {any(id(v) in outputs for v in walk(option, stop=addition.stream)) for option in made}
        if isinstance(chosen, Choice) and len(attends) > 1:
            return True
    return False


def _kind(call: AttentionCall, stream: str) -> AttentionKind:
    """Scores of keys of both kinds, as of all tokens and some global ones, are those of self-attention."""
    return unclear_kind(call.softmax, stream) if call.softmax is not None else call.kind


def _sums_two(addition: Addition, attentions: list[AttentionCall]) -> bool:
    """Is the branch, or what it can be, a name for the sum of an attention and of something that is none?"""
    outputs = {id(call.output) for call in attentions}
    stream = addition.stream
    for total in reached(addition.branch, lambda v: isinstance(v, Sum) or is_weighted(v), stop=stream):
        if isinstance(total, Sum) and all(transforms(side, stream) for side in (total.left, total.right)):
            sides = (any(id(v) in outputs for v in walk(side, stop=stream)) for side in (total.left, total.right))
            if len(set(sides)) > 1:
                return True
    return False
