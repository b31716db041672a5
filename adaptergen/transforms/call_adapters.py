"""Residual addition → `adapter_layer_forward` call.

    hidden_states = attn_output + residual
    hidden_states = self.attention_adapters.adapter_layer_forward(attn_output, residual, None)

A norm that alone consumes the sum (post-LN) goes into the call, whether it stands around the addition or after it.
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
    find_statement,
    indentation,
    parsed,
    upstream_lines,
)


def call_adapters(source: SourceModule, hook: ResidualHook) -> Replacement:
    addition = find_statement(source, hook.cls, hook.method, hook.statement, hook.nth)
    replaced = (addition, *_norm_after(source, addition, hook))
    line, before = upstream_lines(source, replaced[0], replaced[-1])
    after = _rewritten(source, addition, hook, indentation(before[0]))
    statement = parsed(after).with_changes(leading_lines=addition.leading_lines)
    edit = Edit(hook.cls, hook.method, line, before, after, hook.because)
    return Replacement(edit, replaced, (statement,))


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
    owner = f"self.{hook.slot}" if hook.slot else "self"
    norm_is_around = bool(hook.norm) and not hook.norm_statement
    old = f"{hook.norm}({hook.addition})" if norm_is_around else hook.addition
    text = source.code(statement)
    if _is_augmented(statement):
        target = text.partition("+=")[0].strip()
        head, tail = f"{target} = ", ""
    else:
        head, _, tail = text.partition(old)
    arguments = (hook.branch, hook.residual, hook.norm or "None")
    return call_lines(indent, f"{head}{owner}.adapter_layer_forward", arguments, tail)


def _is_augmented(statement: Statement) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and isinstance(statement.body[0], cst.AugAssign)
