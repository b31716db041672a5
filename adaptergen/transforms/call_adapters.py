"""Residual addition → `adapter_layer_forward` call.

    hidden_states = attn_output + residual
    hidden_states = self.attention_adapters.adapter_layer_forward(attn_output, residual, None)

A norm that alone consumes the sum (post-LN) goes into the call, whether it stands around the addition or after it;
so does one that takes the sub-layer's output and alone makes the branch, within the addition or before it.
"""

from __future__ import annotations

import libcst as cst

from adaptergen.plan import ResidualHook
from adaptergen.problems import ProblemsFound
from adaptergen.source import SourceModule, Statement
from adaptergen.transforms.edits import (
    Edit,
    Replacement,
    anchor_gone,
    call_lines,
    find_expression,
    find_statement,
    indentation,
    parsed,
    reads,
    text_around,
    upstream_lines,
)


def call_adapters(source: SourceModule, hook: ResidualHook) -> Replacement:
    addition = find_statement(source, hook.cls, hook.method, hook.statement, hook.nth)
    replaced = (*_norm_before(source, addition, hook), addition, *_norm_after(source, addition, hook))
    line, before = upstream_lines(source, replaced[0], replaced[-1])
    after = _rewritten(source, addition, hook, indentation(before[0]))
    statement = parsed(after).with_changes(leading_lines=replaced[0].leading_lines)
    edit = Edit(hook.cls, hook.method, line, before, after, hook.because)
    return Replacement(edit, replaced, (statement,))


def _norm_before(source: SourceModule, addition: Statement, hook: ResidualHook) -> tuple[Statement, ...]:
    preceding = source.preceding(addition)
    if not hook.inner_norm_statement:
        return ()
    if preceding is None or source.header(preceding) != hook.inner_norm_statement:
        message = f"`{hook.inner_norm_statement}` no longer precedes the addition"
        raise ProblemsFound(anchor_gone(message, source.at(addition)))
    return (preceding,)


def _norm_after(source: SourceModule, addition: Statement, hook: ResidualHook) -> tuple[Statement, ...]:
    following = source.following(addition)
    if not hook.norm_statement:
        return ()
    if following is None or source.header(following) != hook.norm_statement:
        raise ProblemsFound(
            anchor_gone(f"`{hook.norm_statement}` no longer follows the addition", source.at(addition))
        )
    return (following,)


def _rewritten(source: SourceModule, statement: Statement, hook: ResidualHook, indent: str) -> tuple[str, ...]:
    before, after = _around_addition(source, statement, hook)
    owner = f"self.{hook.slot}" if hook.slot else "self"
    norm = f"inner_norm={hook.inner_norm}" if hook.inner_norm else hook.norm or "None"
    arguments = (hook.branch, hook.residual, norm)
    return call_lines(indent, f"{before}{owner}.adapter_layer_forward", arguments, after)


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
