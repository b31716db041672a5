"""The promise about borrowed code: undo the recorded edits and upstream is back, byte for byte."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

from adaptergen import naming
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.source import SourceModule
from adaptergen.transforms.edits import Edit, in_order
from adaptergen.transforms.unkept import unkept_line


Lines = tuple[str, ...]


def check_undone(source: SourceModule, borrowed: str, edits: Sequence[Edit]) -> None:
    """Read the borrowed classes back from their text and compare every method with upstream's.

    Raises:
        ProblemsFound: a method differs from upstream by something that no edit records, of ours or of the parser.
    """
    copies = dict(_methods(borrowed))
    problems = [
        problem
        for cls, method in sorted({(edit.cls, edit.method) for edit in edits})
        if (problem := _difference(source, copies, cls, method, edits)) is not None
    ]
    if problems:
        raise ProblemsFound(*problems)


def _methods(borrowed: str) -> Iterator[tuple[tuple[str, str], Lines]]:
    """(class, method) and its lines with its decorators, as Python reads the borrowed classes."""
    lines = tuple(borrowed.splitlines())
    for cls in filter(_is_class, ast.parse(borrowed).body):
        for method in cls.body:
            if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min(node.lineno for node in (method, *method.decorator_list))
                yield (cls.name, method.name), lines[first - 1 : method.end_lineno]


def _is_class(node: ast.stmt) -> TypeGuard[ast.ClassDef]:
    return isinstance(node, ast.ClassDef)


def _difference(
    source: SourceModule, copies: Mapping[tuple[str, str], Lines], cls: str, method: str, edits: Sequence[Edit]
) -> Problem | None:
    upstream = source.classes[cls].methods[method]
    start, last = source.lines_of(upstream)
    copy = copies[naming.with_adapters(cls), method]
    own = [edit for edit in edits if (edit.cls, edit.method) == (cls, method)]
    if undone(copy, start, own) == source.lines[start - 1 : last]:
        return None
    if line := unkept_line(source, upstream):
        message = f"the parser does not keep a line of {cls}.{method} as it is written"
        return Problem("unkept-line", message, Location(source.path, line), _UNKEPT_FIX)
    message = f"undoing the edits of {cls}.{method} does not give upstream's text back"
    return Problem(
        "not-reversible", message, Location(source.path, start), "this is a defect of adaptergen: report it"
    )


_UNKEPT_FIX = "start the statement where its block is indented; a backslash on a line of its own can go"


def undone(lines: Sequence[str], start: int, edits: Sequence[Edit]) -> tuple[str, ...] | None:
    """Edited lines with every edit taken back, or None where one is not found; `start` is upstream's first line."""
    restored: list[str] = []
    taken = 0  # lines of the edited text that are accounted for
    line = start
    for edit in in_order(edits):
        unchanged = edit.line - line
        restored.extend(lines[taken : taken + unchanged])
        taken += unchanged
        if tuple(lines[taken : taken + len(edit.after)]) != edit.after:
            return None
        taken += len(edit.after)
        restored.extend(edit.before)
        line = edit.line + len(edit.before)
    return (*restored, *lines[taken:])
