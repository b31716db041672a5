"""Prefixes join the keys and values: one line before the scores.

    key, value, attention_mask = self.prefix_tuning(query, key, value, attention_mask, hidden_states)

An additive bias with one entry per key is extended in the call that takes it, and hand-written attention that
slices a causal buffer by the number of keys does not count the prefix.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from adaptergen.plan import LengthHook, PrefixHook
from adaptergen.source import SourceModule
from adaptergen.transforms.edits import (
    Edit,
    Replacement,
    call_lines,
    find_statement,
    indentation,
    parsed,
    upstream_lines,
)


def call_prefixes(source: SourceModule, hook: PrefixHook) -> Iterator[Replacement]:
    yield _extend_states(source, hook)
    for length in hook.lengths:
        yield _do_not_count(source, hook, length)
        yield _extend_cut(source, hook, length)


def _extend_states(source: SourceModule, hook: PrefixHook) -> Replacement:
    statement = find_statement(source, hook.cls, hook.method, hook.statement, hook.nth)
    line, lines = upstream_lines(source, statement, statement)
    head = f"{hook.key}, {hook.value}, {hook.mask or '_'} = self.prefix_tuning"
    arguments = (hook.query, hook.key, hook.value, hook.mask or "None", hook.hidden)
    added = call_lines(indentation(lines[0]), head, arguments)
    call = parsed(added).with_changes(leading_lines=statement.leading_lines)
    if not hook.bias:
        edit = Edit(hook.cls, hook.method, line, (), added, hook.because)
        return Replacement(edit, (statement,), (call, statement.with_changes(leading_lines=())))
    extended = tuple(_with_extended_bias(text, hook.bias) for text in lines)
    edit = Edit(hook.cls, hook.method, line, lines, (*added, *extended), hook.because)
    return Replacement(edit, (statement,), (call, parsed(extended)))


def _with_extended_bias(line: str, bias: tuple[str, ...]) -> str:
    for argument in bias:
        line = line.replace(f"={argument}", f"=self.prefix_tuning.extend_bias({argument})")
    return line


def _do_not_count(source: SourceModule, hook: PrefixHook, length: LengthHook) -> Replacement:
    statement = find_statement(source, hook.cls, length.method, length.statement, length.nth)
    line, before = upstream_lines(source, statement, statement)
    after = tuple(
        text.replace(length.expression, f"{length.expression} - self.prefix_tuning.length") for text in before
    )
    because = f"{length.expression} counts the prefix, the buffer that it slices does not"
    new = parsed(after).with_changes(leading_lines=statement.leading_lines)
    return Replacement(Edit(hook.cls, length.method, line, before, after, because), (statement,), (new,))


def _extend_cut(source: SourceModule, hook: PrefixHook, length: LengthHook) -> Replacement:
    statement = find_statement(source, hook.cls, length.method, length.cut_statement, length.cut_nth)
    line, lines = upstream_lines(source, statement, statement)
    added = (f"{indentation(lines[0])}{length.cut} = self.prefix_tuning.extend_mask({length.cut})",)
    because = "every position may attend to the prefix"
    edit = Edit(hook.cls, length.method, line + len(lines), (), added, because)
    assert isinstance(statement, cst.BaseStatement)
    return Replacement(edit, (statement,), (statement, parsed(added)))
