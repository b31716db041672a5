"""The promise about borrowed code: undo the recorded edits and upstream is back, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from adaptergen import naming
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.source import SourceModule, parse_source
from adaptergen.transforms.edits import Edit, in_order
from adaptergen.transforms.unkept import unkept_line


def check_undone(source: SourceModule, borrowed: str, edits: Sequence[Edit]) -> None:
    """Read the borrowed classes back from their text and compare every method with upstream's.

    Raises:
        ProblemsFound: a method differs from upstream by something that no edit records, of ours or of the parser.
    """
    emitted = parse_source(borrowed, name="borrowed", path="borrowed.py")
    problems = [
        problem
        for cls, method in sorted({(edit.cls, edit.method) for edit in edits})
        if (problem := _difference(source, emitted, cls, method, edits)) is not None
    ]
    if problems:
        raise ProblemsFound(*problems)


def _difference(
    source: SourceModule, emitted: SourceModule, cls: str, method: str, edits: Sequence[Edit]
) -> Problem | None:
    upstream = source.classes[cls].methods[method]
    copy = emitted.classes[naming.with_adapters(cls)].methods[method]
    start, expected = _text(source, upstream)
    own = [edit for edit in edits if (edit.cls, edit.method) == (cls, method)]
    if undone(_text(emitted, copy)[1], start, own) == expected:
        return None
    if line := unkept_line(source, upstream):
        message = f"the parser does not keep a line of {cls}.{method} as it is written"
        return Problem("unkept-line", message, Location(source.path, line), _UNKEPT_FIX)
    message = f"undoing the edits of {cls}.{method} does not give upstream's text back"
    return Problem(
        "not-reversible", message, Location(source.path, start), "this is a defect of adaptergen: report it"
    )


_UNKEPT_FIX = "start the statement where its block is indented; a backslash on a line of its own can go"


def _text(module: SourceModule, node: cst.FunctionDef) -> tuple[int, tuple[str, ...]]:
    first, last = module.lines_of(node)
    return first, module.lines[first - 1 : last]


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
