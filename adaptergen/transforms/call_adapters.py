"""Residual addition → `adapter_layer_forward` call.

    hidden_states = attn_output + residual
    hidden_states = self.attention_adapters.adapter_layer_forward(attn_output, residual, None)

A norm that alone consumes the sum (post-LN) goes into the call, whether it stands around the addition or after it;
so does one that takes the sub-layer's output and alone makes the branch, within the addition or before it.

Several branches of one addition become calls in each other, the first one innermost; where two are summed before they
meet the stream, which rounds differently, one call takes both:

    hidden_states = residual + attn_output + mlp_output
    hidden_states = self.output_adapters.adapter_layer_forward(
        mlp_output, self.attention_adapters.adapter_layer_forward(attn_output, residual, None), None
    )
    hidden_states = attn_output + mlp_output + residual
    hidden_states = self.output_adapters.adapter_layer_forward(
        mlp_output, residual, None, beside=(self.attention_adapters, attn_output)
    )

Another runtime may have other names for the call, and none for two branches at once: `AdapterCalls`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst
from msgspec import Struct

from adaptergen.plan import ResidualHook
from adaptergen.problems import ProblemsFound
from adaptergen.source import SourceModule, Statement
from adaptergen.transforms.anchors import anchor_gone, find_expression, find_statement
from adaptergen.transforms.edits import (
    Edit,
    Replacement,
    call_lines,
    indentation,
    parsed,
    reads,
    text_around,
    upstream_lines,
)


class AdapterCalls(Struct, frozen=True):
    """
    How a runtime wants its adapters called.

    Args:
        of_class: where the class itself is the adapter layer.
        of_slot: where an attribute of it is, whose name comes in the place of `{}`.
        takes_both: one call takes two branches that are summed before they meet the stream.
    """

    of_class: str = "self.adapter_layer_forward"
    of_slot: str = "self.{}.adapter_layer_forward"
    takes_both: bool = True

    def head(self, hook: ResidualHook) -> str:
        return self.of_slot.format(hook.slot) if hook.slot else self.of_class


OWN_CALLS = AdapterCalls()


def call_adapters(
    source: SourceModule, hooks: Sequence[ResidualHook], calls: AdapterCalls = OWN_CALLS
) -> Iterator[Replacement]:
    """One replacement for each addition; hooks of one addition are its branches."""
    by_addition: dict[tuple[str, ...], list[ResidualHook]] = {}
    for hook in hooks:
        by_addition.setdefault((hook.cls, hook.method, hook.statement, str(hook.nth)), []).append(hook)
    return (_replacement(source, branches, calls) for branches in by_addition.values())


def _replacement(source: SourceModule, branches: Sequence[ResidualHook], calls: AdapterCalls) -> Replacement:
    hook = branches[-1]
    addition = find_statement(source, hook.cls, hook.method, hook.statement, hook.nth)
    replaced = source.through(_norm_before(source, addition, hook), _norm_after(source, addition, hook))
    line, before = upstream_lines(source, replaced[0], replaced[-1])
    after = _rewritten(source, addition, branches, calls, indentation(before[0]))
    statement = parsed(after).with_changes(leading_lines=replaced[0].leading_lines)
    because = "; ".join(branch.because for branch in branches)
    edit = Edit(hook.cls, hook.method, line, before, after, because)
    return Replacement(edit, replaced, (statement,))


def _norm_before(source: SourceModule, addition: Statement, hook: ResidualHook) -> Statement:
    """The statement of a norm that makes the branch, or else the addition."""
    preceding = source.preceding(addition)
    if not hook.inner_norm_statement:
        return addition
    if preceding is None or source.header(preceding) != hook.inner_norm_statement:
        message = f"`{hook.inner_norm_statement}` no longer precedes the addition"
        raise ProblemsFound(anchor_gone(message, source.at(addition)))
    return preceding


def _norm_after(source: SourceModule, addition: Statement, hook: ResidualHook) -> Statement:
    """The statement of a norm that takes the sum, or else the addition."""
    following = source.following(addition)
    if not hook.norm_statement:
        return addition
    if following is None or source.header(following) != hook.norm_statement:
        raise ProblemsFound(
            anchor_gone(f"`{hook.norm_statement}` no longer follows the addition", source.at(addition))
        )
    return following


def _rewritten(
    source: SourceModule, statement: Statement, branches: Sequence[ResidualHook], calls: AdapterCalls, indent: str
) -> tuple[str, ...]:
    *inner, last = branches
    before, after = _around_addition(source, statement, last)
    head = f"{before}{calls.head(last)}"
    if calls.takes_both and len(inner) == 1 and _adds_stream_last(source, statement, last):
        beside = f"beside=({_slot(inner[0])}, {inner[0].branch})"
        return call_lines(indent, head, (*_arguments(last, last.residual), beside), after)
    residual = last.residual
    for hook in inner:
        residual = f"{calls.head(hook)}({', '.join(_arguments(hook, residual))})"
    return call_lines(indent, head, _arguments(last, residual), after)


def _adds_stream_last(source: SourceModule, statement: Statement, hook: ResidualHook) -> bool:
    """`a + b + stream`, of which `a + b` is computed first."""
    node = find_expression(source, statement, hook.addition, lambda node: reads(source, node, hook.addition))
    match node:
        case cst.BinaryOperation(left=cst.BinaryOperation(), right=right):
            return reads(source, right, hook.residual)
    return False


def _slot(hook: ResidualHook) -> str:
    return f"self.{hook.slot}" if hook.slot else "self"


def _arguments(hook: ResidualHook, residual: str) -> tuple[str, ...]:
    norm = f"inner_norm={hook.inner_norm}" if hook.inner_norm else hook.norm or "None"
    return (hook.branch, residual, norm)


def _around_addition(source: SourceModule, statement: Statement, hook: ResidualHook) -> tuple[str, str]:
    """The text of the statement before and after what the call takes the place of."""
    match statement:
        case cst.SimpleStatementLine(body=[cst.AugAssign() as assign]) if source.code(assign) == hook.addition:
            return f"{source.code(assign.target)} = ", source.code(statement).removeprefix(hook.addition)

    norm_is_around = bool(hook.norm) and not hook.norm_statement
    node = find_expression(
        source,
        statement,
        hook.addition,
        lambda node: _is_norm_of(source, node, hook) if norm_is_around else reads(source, node, hook.addition),
    )
    return text_around(source, statement, node, keep_parentheses=source.code(node) != hook.addition)


def _is_norm_of(source: SourceModule, node: cst.BaseExpression, hook: ResidualHook) -> bool:
    match node:
        case cst.Call(func=norm, args=[cst.Arg(value=addition)]):
            return reads(source, norm, hook.norm) and reads(source, addition, hook.addition)
    return False
