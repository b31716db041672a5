"""Which statements of a layer add a sub-layer's output back to the residual stream?

hidden_states = attn_output + residual
                ^^^^^^^^^^^ branch      depends on the stream through modules
                              ^^^^^^^^ stream
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from adaptergen.analysis.attention import AttentionCall, attention_calls, is_unclear_attention
from adaptergen.analysis.blocks import TracedLayer
from adaptergen.analysis.statements import statement_site
from adaptergen.facts import Residual, StatementSite, Sublayer
from adaptergen.tracing.graph import Consumers, depends_on, is_linear_call, is_norm_call, reached, walk
from adaptergen.tracing.values import Call, Operation, Site, Sum, Value, alternatives


# Steps that leave a tensor what it is; a stream that went through them is still the stream.
TRANSPARENT = frozenset(("clone", "contiguous", "to", "float", "type_as", "view", "reshape"))


@dataclass(frozen=True, eq=False)
class Addition:
    """A sum of a branch and the stream that the branch was made from."""

    total: Sum
    branch: Value
    stream: Value


def additions(layer: TracedLayer) -> Iterator[Addition]:
    """The residual additions that the layer's output is made with, in the order in which they happen."""
    reachable = {id(value) for value in walk(layer.output)}
    for total in layer.tracer.sums:
        if id(total) not in reachable:
            continue
        for branch, stream in ((total.left, total.right), (total.right, total.left)):
            bare = _bare(stream)
            if branch is not stream and _comes_from(branch, bare) and _passes_linear(branch, bare):
                yield Addition(total, branch, stream)
                break


def _comes_from(branch: Value, stream: Value) -> bool:
    """A stream that is one of several values is that also where the choice is made anew, as for given queries."""
    return depends_on(branch, stream) or all(depends_on(branch, option) for option in alternatives(stream))


def _bare(stream: Value) -> Value:
    while isinstance(stream, Operation) and stream.name in TRANSPARENT and stream.args:
        stream = stream.args[0]
    return stream


def find_residuals(layer: TracedLayer) -> Iterator[Residual]:
    attentions = attention_calls(layer)
    consumers = Consumers([layer.output])
    for addition in additions(layer):
        total, at = addition.total, addition.total.at
        norm = _consuming_norm(total, consumers)
        inner = None if norm else _inner_norm(addition, consumers)
        yield Residual(
            site=statement_site(at),
            addition=at.module.code(_expression(at)),
            branch=operand_text(total, addition.branch),
            stream=operand_text(total, addition.stream),
            sublayer=_sublayer(addition, attentions),
            host=at.instance.path if at.instance else "",
            host_class=at.instance.class_name if at.instance else "",
            norm=norm.at.module.code(_callee(norm)) if norm else None,
            norm_site=_norm_site(total, norm) if norm else None,
            norm_follows=norm is not None and at.module.following(at.statement) is norm.at.statement,
            inner_norm=at.module.code(_callee(inner)) if inner else None,
            inner_norm_site=_norm_site(total, inner) if inner else None,
            normed=at.module.code(_argument(inner)) if inner else "",
            branches=_branch_count(addition, attentions),
        )


def _passes_linear(branch: Value, stream: Value) -> bool:
    """Does the branch transform the stream through at least one linear module of its own?"""
    return bool(reached(branch, is_linear_call, stop=stream))


def _expression(site: Site) -> cst.CSTNode:
    """The expression `a + b`, or the whole statement `a += b`."""
    statement = site.statement
    if isinstance(statement, cst.SimpleStatementLine) and isinstance(statement.body[0], cst.AugAssign):
        return statement.body[0]
    return site.expression


def operand_text(total: Sum, operand: Value) -> str:
    """One side of an addition, as written."""
    node = _expression(total.at)
    match node:
        case cst.BinaryOperation():
            return total.at.module.code(node.left if operand is total.left else node.right)
        case cst.AugAssign():
            return total.at.module.code(node.target if operand is total.left else node.value)
    return ""


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
    call, name = module.code(norm.at.expression), operand_text(total, addition.branch)
    binds = module.header(norm.at.statement) == f"{name} = {call}"
    return binds and module.preceding(total.at.statement) is norm.at.statement


def _callee(norm: Call) -> cst.BaseExpression:
    assert isinstance(norm.at.expression, cst.Call)
    return norm.at.expression.func


def _argument(norm: Call) -> cst.BaseExpression:
    assert isinstance(norm.at.expression, cst.Call)
    return norm.at.expression.args[0].value


def _norm_site(total: Sum, norm: Call) -> StatementSite | None:
    return None if norm.at.statement is total.at.statement else statement_site(norm.at)


def _sublayer(addition: Addition, attentions: list[AttentionCall]) -> Sublayer:
    between = {id(value) for value in walk(addition.branch, stop=addition.stream)}
    kinds = {call.kind for call in attentions if id(call.output) in between}
    if not kinds:
        unclear = is_unclear_attention(addition.branch, addition.stream, attentions)
        return "unclear_attention" if unclear else "feed_forward"
    if _branch_count(addition, attentions) > 1:
        return "several"
    return "cross_attention" if "cross" in kinds else "attention"


def _branch_count(addition: Addition, attentions: list[AttentionCall]) -> int:
    """How many sub-layers the branch sums: `attention + feed_forward + residual` has two."""
    outputs = {id(call.output) for call in attentions}
    stream = addition.stream
    match addition.branch:
        case Sum(left=left, right=right) if _passes_linear(left, stream) and _passes_linear(right, stream):
            sides = [any(id(value) in outputs for value in walk(side, stop=stream)) for side in (left, right)]
            return 2 if sides[0] != sides[1] else 1
    return 1
