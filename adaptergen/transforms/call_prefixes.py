"""Prefixes join the keys and values: one line before the scores.

    key, value, attention_mask = self.prefix_tuning(query, key, value, attention_mask, hidden_states)

An additive bias with one entry per key is extended in the call that takes it, or where hand-written attention adds it
to the scores. Hand-written attention that slices a causal buffer by the number of keys does not count the prefix.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from adaptergen.plan import KeptHook, LengthHook, PrefixHook, TermHook
from adaptergen.source import SourceModule, Statement, descendants
from adaptergen.transforms.edits import (
    Edit,
    Replacement,
    call_lines,
    find_expression,
    find_statement,
    fits,
    indentation,
    lines_of,
    parsed,
    text_around,
    upstream_lines,
)


def call_prefixes(source: SourceModule, hook: PrefixHook) -> Iterator[Replacement]:
    for length in hook.lengths:
        yield _do_not_count(source, hook, length)
        yield _extend_cut(source, hook, length)
    for term in hook.terms:
        if not _is_at_scores(term, hook):
            yield _extend_term(source, hook, term)
    for view in hook.views:
        yield _count_in_view(source, hook, view)
    for kept in hook.kept:
        yield _keep_input(source, hook, kept)
    yield _take_around(source, hook) if hook.function else _extend_states(source, hook)


def _extend_states(source: SourceModule, hook: PrefixHook) -> Replacement:
    statement = find_statement(source, hook.cls, hook.method, hook.statement, hook.nth)
    line, lines = upstream_lines(source, statement, statement)
    method = "self.prefix_tuning.flat" if hook.flat else "self.prefix_tuning"
    head = f"{hook.extended_key or hook.key}, {hook.value}, {hook.mask or '_'} = {method}"
    mask = f"{hook.mask}.bool()" if hook.mask_is_test else hook.mask or "None"
    flags = (f"{name}=True" for name, holds in (("turned", hook.turned), ("mask_hides", hook.mask_hides)) if holds)
    options = (*((f"is_causal={hook.told_causal}",) if hook.told_causal else ()), *flags)
    arguments = (hook.query, hook.key, hook.value, mask, hook.hidden, *options)
    added = call_lines(indentation(lines[0]), head, arguments)
    call = parsed(added).with_changes(leading_lines=statement.leading_lines)
    if hook.extended_key:
        renamed = _with_extended_key(source, statement, hook, indentation(lines[0]))
        edit = Edit(hook.cls, hook.method, line, lines, (*added, *renamed), hook.because)
        return Replacement(edit, (statement,), (call, parsed(renamed)))
    if own := [term for term in hook.terms if _is_at_scores(term, hook)]:
        extended = _with_extended_term(source, statement, own[0], indentation(lines[0]))
        edit = Edit(hook.cls, hook.method, line, lines, (*added, *extended), hook.because)
        return Replacement(edit, (statement,), (call, parsed(extended)))
    if not hook.bias:
        edit = Edit(hook.cls, hook.method, line, (), added, hook.because)
        return Replacement(edit, (statement,), (call, statement.with_changes(leading_lines=())))
    extended = _with_extended_bias(source, statement, hook, indentation(lines[0]))
    edit = Edit(hook.cls, hook.method, line, lines, (*added, *extended), hook.because)
    return Replacement(edit, (statement,), (call, parsed(extended)))


def _take_around(source: SourceModule, hook: PrefixHook) -> Replacement:
    statement = find_statement(source, hook.cls, hook.method, hook.statement, hook.nth)
    arguments = [hook.function, hook.hidden, *([hook.boundaries] if hook.boundaries else [])]
    added = call_lines(_indent(source, statement), f"{hook.function} = self.prefix_tuning.around", arguments)
    return _followed(source, (hook.cls, hook.method), statement, added, hook.because)


def _keep_input(source: SourceModule, hook: PrefixHook, kept: KeptHook) -> Replacement:
    statement = find_statement(source, hook.cls, hook.method, kept.statement, kept.nth)
    line, lines = upstream_lines(source, statement, statement)
    added = (f"{indentation(lines[0])}{hook.hidden} = {kept.name}",)
    because = f"{kept.name} does not hold the input any more where the prefix asks for it"
    edit = Edit(hook.cls, hook.method, line, (), added, because)
    binding = parsed(added).with_changes(leading_lines=statement.leading_lines)
    return Replacement(edit, (statement,), (binding, statement.with_changes(leading_lines=())))


def _with_extended_key(source: SourceModule, statement: Statement, hook: PrefixHook, indent: str) -> tuple[str, ...]:
    """The statement with the keys that have the prefix in front of them."""
    node = _written(source, statement, hook.key)
    before, after = text_around(source, statement, node, keep_parentheses=True)
    in_place = lines_of(indent, f"{before}{hook.extended_key}{after}")
    return in_place if fits(in_place) else _broken(source, in_place, indent)


def _broken(source: SourceModule, lines: tuple[str, ...], indent: str) -> tuple[str, ...]:
    """A statement that is too long, with the arguments of its outermost call on lines of their own."""
    statement = cst.ensure_type(parsed(lines), cst.SimpleStatementLine)
    call = next(descendants(statement, cst.Call))
    before, after = text_around(source, statement, call, keep_parentheses=True)
    written = [source.code(argument.with_changes(comma=cst.MaybeSentinel.DEFAULT)) for argument in call.args]
    return call_lines(indent, before + source.code(call.func), written, after.rstrip())


def _is_at_scores(term: TermHook, hook: PrefixHook) -> bool:
    """Does the statement before which the keys are extended add the term?"""
    return (term.method, term.statement, term.nth) == (hook.method, hook.statement, hook.nth)


def _with_extended_term(source: SourceModule, statement: Statement, term: TermHook, indent: str) -> tuple[str, ...]:
    before, after = text_around(source, statement, _written(source, statement, term.term))
    return lines_of(indent, f"{before}self.prefix_tuning.extend_bias({term.term}){after}")


def _extend_term(source: SourceModule, hook: PrefixHook, term: TermHook) -> Replacement:
    statement = find_statement(source, hook.cls, term.method, term.statement, term.nth)
    node = _written(source, statement, term.term)
    because = f"{term.term} has one entry for each key, and none for the prefix"
    new = f"self.prefix_tuning.extend_bias({term.term})"
    return _rewritten(source, (hook.cls, term.method), statement, node, new, because)


def _count_in_view(source: SourceModule, hook: PrefixHook, view: TermHook) -> Replacement:
    statement = find_statement(source, hook.cls, view.method, view.statement, view.nth)
    size = cst.ensure_type(_written(source, statement, view.term), cst.Call).args[-1].value
    because = f"the last size in {view.term.partition('(')[0]} is the number of keys, which the prefix adds to"
    new = f"{source.code(size)} + self.prefix_tuning.length"
    return _rewritten(source, (hook.cls, view.method), statement, size, new, because)


def _with_extended_bias(source: SourceModule, statement: Statement, hook: PrefixHook, indent: str) -> tuple[str, ...]:
    """The statement with every bias extended where the attention function takes it; too long lines are broken."""

    def takes_bias(node: cst.BaseExpression) -> bool:
        return isinstance(node, cst.Call) and any(_is_bias(source, argument, hook) for argument in node.args)

    call = cst.ensure_type(find_expression(source, statement, ", ".join(hook.bias), takes_bias), cst.Call)
    arguments = [
        _extended(source, argument) if _is_bias(source, argument, hook) else argument for argument in call.args
    ]
    before, after = text_around(source, statement, call, keep_parentheses=True)
    in_place = lines_of(indent, before + source.code(call.with_changes(args=arguments, lpar=(), rpar=())) + after)
    if fits(in_place):
        return in_place
    written = [source.code(argument.with_changes(comma=cst.MaybeSentinel.DEFAULT)) for argument in arguments]
    return call_lines(indent, before + source.code(call.func), written, after)


def _is_bias(source: SourceModule, argument: cst.Arg, hook: PrefixHook) -> bool:
    return argument.keyword is not None and source.code(argument.value) in hook.bias


def _extended(source: SourceModule, argument: cst.Arg) -> cst.Arg:
    return argument.with_changes(
        value=cst.parse_expression(f"self.prefix_tuning.extend_bias({source.code(argument.value)})")
    )


def _do_not_count(source: SourceModule, hook: PrefixHook, length: LengthHook) -> Replacement:
    statement = find_statement(source, hook.cls, length.method, length.statement, length.nth)
    node = _written(source, statement, length.expression)
    because = f"{length.expression} counts the prefix, the buffer that it slices does not"
    new = f"{length.expression} - self.prefix_tuning.length"
    return _rewritten(source, (hook.cls, length.method), statement, node, new, because)


def _extend_cut(source: SourceModule, hook: PrefixHook, length: LengthHook) -> Replacement:
    statement = find_statement(source, hook.cls, length.method, length.cut_statement, length.cut_nth)
    added = (f"{_indent(source, statement)}{length.cut} = self.prefix_tuning.extend_mask({length.cut})",)
    return _followed(source, (hook.cls, length.method), statement, added, "every position may attend to the prefix")


def _written(source: SourceModule, statement: Statement, text: str) -> cst.BaseExpression:
    """The expression of a statement that is written so."""
    return find_expression(source, statement, text, lambda node: source.code(node) == text)


def _indent(source: SourceModule, statement: Statement) -> str:
    return indentation(upstream_lines(source, statement, statement)[1][0])


def _rewritten(
    source: SourceModule,
    place: tuple[str, str],
    statement: Statement,
    node: cst.BaseExpression,
    new: str,
    because: str,
) -> Replacement:
    """A statement of a (class, method) with something else in the place of one expression."""
    line, lines = upstream_lines(source, statement, statement)
    before, after = text_around(source, statement, node)
    changed = lines_of(indentation(lines[0]), f"{before}{new}{after}")
    replacing = parsed(changed).with_changes(leading_lines=statement.leading_lines)
    return Replacement(Edit(*place, line, lines, changed, because), (statement,), (replacing,))


def _followed(
    source: SourceModule, place: tuple[str, str], statement: Statement, added: tuple[str, ...], because: str
) -> Replacement:
    """A statement of a (class, method), and lines behind it."""
    line, lines = upstream_lines(source, statement, statement)
    assert isinstance(statement, cst.BaseStatement)
    edit = Edit(*place, line + len(lines), (), added, because)
    return Replacement(edit, (statement,), (statement, parsed(added)))
