"""An edit of borrowed code: which lines of upstream's method are replaced by which, and because of what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from textwrap import indent as indented

import libcst as cst
from msgspec import Struct

from adaptergen.source import SourceModule, Statement


LINE_LENGTH = 119


class Edit(Struct, frozen=True):
    """Lines of one method, numbered from the first line of the upstream file; an insertion replaces none."""

    cls: str
    method: str
    line: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    because: str


class Replacement(Struct, frozen=True, eq=False):
    """The same edit in the tree: what takes the place of one statement, or of several in a row."""

    edit: Edit
    replaced: tuple[Statement, ...]
    statements: tuple[cst.BaseStatement, ...]


def in_order(edits: Iterable[Edit]) -> list[Edit]:
    """From the top of the file down; what is inserted above a line comes before what replaces the line."""
    return sorted(edits, key=lambda edit: (edit.line, len(edit.before)))


def reads(source: SourceModule, node: cst.BaseExpression, text: str) -> bool:
    """Is this the text of the expression, with or without the parentheses around it?"""
    return text in (source.code(node), source.code(node.with_changes(lpar=(), rpar=())))


def upstream_lines(source: SourceModule, first: Statement, last: Statement) -> tuple[int, tuple[str, ...]]:
    """The number of the first line, and the lines, that statements take in upstream's file."""
    start, end = source.lines_of(first)[0], source.lines_of(last)[1]
    return start, source.lines[start - 1 : end]


def text_around(
    source: SourceModule, statement: Statement, node: cst.BaseExpression, *, keep_parentheses: bool = False
) -> tuple[str, str]:
    """The text of a statement before and after one of its expressions."""
    hole = cst.Name(_HOLE, lpar=node.lpar, rpar=node.rpar) if keep_parentheses else cst.Name(_HOLE)
    with_hole = statement.deep_replace(node, hole)
    assert isinstance(with_hole, cst.CSTNode)
    before, _, after = source.code(with_hole).partition(_HOLE)
    return before, after


_HOLE = "__hole__"


def indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def call_lines(indent: str, head: str, arguments: Sequence[str], tail: str = "") -> tuple[str, ...]:
    """`head(arguments)tail` as a formatter breaks it: on one line, the arguments on a line of their own, or each.

    A call in the tail is broken first.
    """
    together = ", ".join(arguments)
    called = _CALL_IN_TAIL.fullmatch(tail)
    if called and "\n" not in together and not fits([f"{indent}{head}({together}){tail}"]):
        first = f"{head}({together}){called['head']}"
        if fits([f"{indent}{first}("]):
            return call_lines(indent, first, called["arguments"].split(", "), called["tail"])
    each = "".join(f"{indented(argument, '    ')},\n" for argument in arguments)
    forms = [f"{head}({together}){tail}", f"{head}(\n    {together}\n){tail}", f"{head}(\n{each}){tail}"]
    possible = forms[2:] if "\n" in together else forms
    lines = [lines_of(indent, form) for form in possible]
    return next((form for form in lines if fits(form)), lines[-1])


_CALL_IN_TAIL = re.compile(r"(?P<head>\.[\w.]+)\((?P<arguments>[^()\[\]{}]+)\)(?P<tail>)")  # no brackets in it


def lines_of(indent: str, text: str) -> tuple[str, ...]:
    return tuple(indented(text, indent).split("\n"))


def fits(lines: Iterable[str]) -> bool:
    return all(len(line) <= LINE_LENGTH for line in lines)


def parsed(lines: Sequence[str]) -> cst.BaseStatement:
    """Lines of one statement as a node that fits at any depth; lines inside of strings stay what they are."""
    text = "\n".join(lines)
    if not indentation(lines[0]):
        statement: cst.CSTNode = cst.parse_statement(text)
    else:
        statement = cst.ensure_type(cst.parse_statement(f"if True:\n{text}"), cst.If).body.body[0]
    assert isinstance(statement, cst.BaseStatement)
    return statement
