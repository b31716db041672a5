"""An edit of borrowed code: which lines of upstream's method are replaced by which, and because of what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.source import SourceModule, Statement


LINE_LENGTH = 119


@dataclass(frozen=True)
class Edit:
    """Lines of one method, numbered from the first line of the upstream file; an insertion replaces none."""

    cls: str
    method: str
    line: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    because: str


@dataclass(frozen=True, eq=False)
class Replacement:
    """The same edit in the tree: what takes the place of one statement, or of two that follow each other."""

    edit: Edit
    replaced: tuple[Statement, ...]
    statements: tuple[cst.BaseStatement, ...]


def find_statement(source: SourceModule, cls: str, method: str, text: str, nth: int) -> Statement:
    """The statement of upstream that a plan names.

    Raises:
        ProblemsFound: the class, the method or the statement is not there.
    """
    owner = source.classes.get(cls)
    node = owner.methods.get(method) if owner else None
    if owner is None or node is None:
        missing = f"class {cls}" if owner is None else f"method {cls}.{method}"
        raise ProblemsFound(
            anchor_gone(f"{missing}, which the plan names, is not in this file", Location(source.path))
        )
    found = [statement for statement in source.statements(node) if source.header(statement) == text]
    if nth < len(found):
        return found[nth]
    first = text.splitlines()[0]
    raise ProblemsFound(anchor_gone(f"{cls}.{method} has no statement `{first}` (occurrence {nth})", source.at(node)))


def anchor_gone(message: str, at: Location) -> Problem:
    return Problem("anchor-gone", message, at, "run `adaptergen plan NAME` and compare, then `adaptergen update NAME`")


def upstream_lines(source: SourceModule, first: Statement, last: Statement) -> tuple[int, tuple[str, ...]]:
    """The number of the first line, and the lines, that statements take in upstream's file."""
    start, end = source.lines_of(first)[0], source.lines_of(last)[1]
    return start, source.lines[start - 1 : end]


def indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def call_lines(indent: str, head: str, arguments: Sequence[str], tail: str = "") -> tuple[str, ...]:
    """`head(arguments)tail` as a formatter breaks it: on one line, or with the arguments on a line of their own."""
    one = f"{indent}{head}({', '.join(arguments)}){tail}"
    if len(one) <= LINE_LENGTH:
        return (one,)
    return (f"{indent}{head}(", f"{indent}    {', '.join(arguments)}", f"{indent}){tail}")


def parsed(lines: Sequence[str]) -> cst.BaseStatement:
    """Lines of one statement as a node that fits at any depth."""
    indent = indentation(lines[0])
    statement = cst.parse_statement("\n".join(line.removeprefix(indent) for line in lines))
    assert isinstance(statement, cst.BaseStatement)
    return statement
