"""Prefixes join the keys and values: one line before the scores.

    key, value, attention_mask = self.prefix_tuning(query, key, value, attention_mask, hidden_states)

An additive bias with one entry per key is extended in the call that takes it, or where hand-written attention adds it
to the scores. Hand-written attention that slices a causal buffer by the number of keys does not count the prefix.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst
from msgspec import Struct

from adaptergen.nodes import is_alone
from adaptergen.plan import KeptHook, LengthHook, PrefixHook, TermHook
from adaptergen.problems import Problem, ProblemsFound
from adaptergen.source import SourceModule, Statement, descendants
from adaptergen.transforms.anchors import find_expression, find_statement
from adaptergen.transforms.edits import (
    Edit,
    Replacement,
    call_lines,
    fits,
    indentation,
    lines_of,
    parsed,
    text_around,
    upstream_lines,
)


MASK = "prefix_mask"  # where upstream passes None
VISIBLE = "visible_prefix"  # which positions of the prefix each row may see, where it is no mask that says so


class Change(Struct, frozen=True, eq=False):
    """Something else in the place of an expression of a statement."""

    method: str
    statement: Statement
    node: cst.BaseExpression
    new: str
    because: str


def call_prefixes(source: SourceModule, hook: PrefixHook) -> Iterator[Replacement]:
    statement = find_statement(source, hook.cls, hook.method, hook.statement, hook.nth)
    changes: dict[int, list[Change]] = {}
    for change in _changes(source, hook):
        changes.setdefault(id(change.statement), []).append(change)
    own = changes.pop(id(statement), [])
    for of_one in changes.values():
        yield _changed(source, hook, of_one)
    for length in hook.lengths:
        yield _extend_cut(source, hook, length)
    for softmax in hook.softmaxes:
        yield _hide_before(source, hook, softmax)
    for kept in hook.kept:
        yield _keep_input(source, hook, kept)
    yield _take_around(source, hook) if hook.function else _extend_states(source, hook, statement, own)


def _changes(source: SourceModule, hook: PrefixHook) -> Iterator[Change]:
    for length in hook.lengths:
        statement = find_statement(source, hook.cls, length.method, length.statement, length.nth)
        node = _written(source, statement, length.expression)
        because = f"{length.expression} counts the prefix, the buffer that it slices does not"
        yield Change(length.method, statement, node, f"{length.expression} - self.prefix_tuning.length", because)
    for term in hook.terms:
        statement = find_statement(source, hook.cls, term.method, term.statement, term.nth)
        node = _written(source, statement, term.term)
        because = f"{term.term} has one entry for each key, and none for the prefix"
        yield Change(term.method, statement, node, f"self.prefix_tuning.extend_bias({term.term})", because)
    for view in hook.views:
        statement = find_statement(source, hook.cls, view.method, view.statement, view.nth)
        node = _last_argument(source, statement, view.term)
        because = f"the last size in {view.term.partition('(')[0]} is the number of keys, which the prefix adds to"
        yield Change(view.method, statement, node, f"{source.code(node)} + self.prefix_tuning.length", because)
    for likeness in hook.likenesses:
        statement = find_statement(source, hook.cls, likeness.method, likeness.statement, likeness.nth)
        node = _last_argument(source, statement, likeness.term)
        because = f"{source.code(node)} has the prefix, and what takes its shape does not"
        yield Change(likeness.method, statement, node, f"self.prefix_tuning.without({source.code(node)})", because)
    if hook.mask_is_none:
        statement = find_statement(source, hook.cls, hook.method, hook.statement, hook.nth)
        yield Change(hook.method, statement, _missing_mask(source, statement, hook), MASK, hook.because)


def _missing_mask(source: SourceModule, statement: Statement, hook: PrefixHook) -> cst.BaseExpression:
    """The None among the arguments of the attention function."""

    def attends(node: cst.BaseExpression) -> bool:
        given = {source.code(argument.value) for argument in node.args} if isinstance(node, cst.Call) else set()
        return {hook.query, hook.key, hook.value, "None"} <= given

    call = cst.ensure_type(find_expression(source, statement, "None", attends), cst.Call)
    return next(argument.value for argument in call.args if source.code(argument.value) == "None")


def _last_argument(source: SourceModule, statement: Statement, call: str) -> cst.BaseExpression:
    return cst.ensure_type(_written(source, statement, call), cst.Call).args[-1].value


def _changed(source: SourceModule, hook: PrefixHook, changes: Sequence[Change]) -> Replacement:
    """A statement with all of its changes."""
    statement, because = changes[0].statement, "; ".join(change.because for change in changes)
    line, lines = upstream_lines(source, statement, statement)
    new = _with_changes(source, changes)
    replacing = parsed(new).with_changes(leading_lines=statement.leading_lines)
    return Replacement(Edit(hook.cls, changes[0].method, line, lines, new, because), (statement,), (replacing,))


def _with_changes(source: SourceModule, changes: Sequence[Change]) -> tuple[str, ...]:
    statement = changes[0].statement
    around = {change: text_around(source, statement, change.node) for change in changes}
    in_order = sorted(changes, key=lambda change: len(around[change][0]))
    pieces, end = [], 0
    for change in in_order:
        before, after = around[change]
        pieces += [before[end:], change.new]
        end = len(before) + len(source.code(change.node))
    indent = indentation(upstream_lines(source, statement, statement)[1][0])
    return lines_of(indent, "".join((*pieces, after)))


def _extend_states(source: SourceModule, hook: PrefixHook, statement: Statement, own: Sequence[Change]) -> Replacement:
    _refuse_shared_line(source, statement)
    line, lines = upstream_lines(source, statement, statement)
    added = _call_of(hook, indentation(lines[0]))
    call = parsed(added).with_changes(leading_lines=statement.leading_lines)
    if hook.extended_key:
        renamed = _with_extended_key(source, statement, hook, indentation(lines[0]))
        edit = Edit(hook.cls, hook.method, line, lines, (*added, *renamed), hook.because)
        return Replacement(edit, (statement,), (call, parsed(renamed)))
    if own:
        in_place = _with_changes(source, own)
        changed = in_place if fits(in_place) else _broken(source, in_place, indentation(lines[0]))
        edit = Edit(hook.cls, hook.method, line, lines, (*added, *changed), hook.because)
        return Replacement(edit, (statement,), (call, parsed(changed)))
    if hook.window_mask:
        mask = (f"{indentation(lines[0])}{hook.window_mask} = self.prefix_tuning.extend_bias({hook.window_mask})",)
        edit = Edit(hook.cls, hook.method, line, (), (*added, *mask), hook.because)
        return Replacement(edit, (statement,), (call, parsed(mask), statement.with_changes(leading_lines=())))
    if not hook.bias:
        edit = Edit(hook.cls, hook.method, line, (), added, hook.because)
        return Replacement(edit, (statement,), (call, statement.with_changes(leading_lines=())))
    extended = _with_extended_bias(source, statement, hook, indentation(lines[0]))
    edit = Edit(hook.cls, hook.method, line, lines, (*added, *extended), hook.because)
    return Replacement(edit, (statement,), (call, parsed(extended)))


def _call_of(hook: PrefixHook, indent: str) -> tuple[str, ...]:
    key = hook.extended_key or hook.key
    if hook.softmaxes:
        head = f"{key}, {hook.value}, {VISIBLE} = self.prefix_tuning.unmasked"
        return call_lines(indent, head, (hook.key, hook.value, hook.hidden))
    method = "self.prefix_tuning.flat" if hook.flat else "self.prefix_tuning"
    mask = f"{hook.mask}.bool()" if hook.mask_is_test else hook.mask or "None"
    flags = (f"{name}=True" for name, holds in (("turned", hook.turned), ("mask_hides", hook.mask_hides)) if holds)
    options = (*((f"is_causal={hook.told_causal}",) if hook.told_causal else ()), *flags)
    arguments = (hook.query, hook.key, hook.value, mask, hook.hidden, *options)
    given = MASK if hook.mask_is_none else hook.mask or "_"
    return call_lines(indent, f"{key}, {hook.value}, {given} = {method}", arguments)


def _hide_before(source: SourceModule, hook: PrefixHook, softmax: TermHook) -> Replacement:
    """A line in front of the softmax, from which on rows see no more of the prefix than is theirs."""
    statement = find_statement(source, hook.cls, softmax.method, softmax.statement, softmax.nth)
    because = "no mask tells rows of the batch apart, which may have no prefix, or a shorter one"
    added = call_lines(
        _indent(source, statement), f"{softmax.term} = self.prefix_tuning.hide", (softmax.term, VISIBLE)
    )
    return _preceded(source, (hook.cls, softmax.method), statement, added, because)


def _take_around(source: SourceModule, hook: PrefixHook) -> Replacement:
    statement = find_statement(source, hook.cls, hook.method, hook.statement, hook.nth)
    arguments = [hook.function, hook.hidden, *([hook.boundaries] if hook.boundaries else [])]
    added = call_lines(_indent(source, statement), f"{hook.function} = self.prefix_tuning.around", arguments)
    return _followed(source, (hook.cls, hook.method), statement, added, hook.because)


def _keep_input(source: SourceModule, hook: PrefixHook, kept: KeptHook) -> Replacement:
    statement = find_statement(source, hook.cls, hook.method, kept.statement, kept.nth)
    added = (f"{_indent(source, statement)}{hook.hidden} = {kept.name}",)
    because = f"{kept.name} does not hold the input any more where the prefix asks for it"
    return _preceded(source, (hook.cls, hook.method), statement, added, because)


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


def _extend_cut(source: SourceModule, hook: PrefixHook, length: LengthHook) -> Replacement:
    statement = find_statement(source, hook.cls, length.method, length.cut_statement, length.cut_nth)
    added = (f"{_indent(source, statement)}{length.cut} = self.prefix_tuning.extend_mask({length.cut})",)
    return _followed(source, (hook.cls, length.method), statement, added, "every position may attend to the prefix")


def _written(source: SourceModule, statement: Statement, text: str) -> cst.BaseExpression:
    """The expression of a statement that is written so."""
    return find_expression(source, statement, text, lambda node: source.code(node) == text)


def _indent(source: SourceModule, statement: Statement) -> str:
    return indentation(upstream_lines(source, statement, statement)[1][0])


def _preceded(
    source: SourceModule, place: tuple[str, str], statement: Statement, added: tuple[str, ...], because: str
) -> Replacement:
    """A statement of a (class, method), and lines in front of it, below the comments that were there."""
    _refuse_shared_line(source, statement)
    line, _ = upstream_lines(source, statement, statement)
    new = parsed(added).with_changes(leading_lines=statement.leading_lines)
    return Replacement(
        Edit(*place, line, (), added, because), (statement,), (new, statement.with_changes(leading_lines=()))
    )


def _followed(
    source: SourceModule, place: tuple[str, str], statement: Statement, added: tuple[str, ...], because: str
) -> Replacement:
    """A statement of a (class, method), and lines behind it."""
    _refuse_shared_line(source, statement)
    line, lines = upstream_lines(source, statement, statement)
    assert isinstance(statement, cst.BaseStatement)
    edit = Edit(*place, line + len(lines), (), added, because)
    return Replacement(edit, (statement,), (statement, parsed(added)))


def _refuse_shared_line(source: SourceModule, statement: Statement) -> None:
    """
    Raises:
        ProblemsFound: other statements stand on its line, between which something would have to come.
    """
    if isinstance(statement, cst.SimpleStatementLine) and not is_alone(statement):
        message = f"`{source.header(statement)}` is several statements, and a prefix would have to come between them"
        raise ProblemsFound(
            Problem("shared-line", message, source.at(statement), "write each of them on a line of its own")
        )
