"""Which lines of a method does the parser lose?

A backslash on a line of its own joins the next line, and says nothing:

    \\
    hidden_states = attn_output + residual

It is in no node of the tree, so that a copy lacks it. Its loss is recorded like any other edit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile

import libcst as cst

from adaptergen.source import SourceModule
from adaptergen.transforms.edits import Edit


def lone_backslashes(source: SourceModule, cls: str, method: str, edits: Iterable[Edit]) -> Iterator[Edit]:
    """Those above the statements of a method, as far as no other edit has taken the lines already."""
    taken = {line for edit in edits for line in range(edit.line, edit.line + len(edit.before))}
    for statement in source.statements(source.classes[cls].methods[method]):
        first = source.lines_of(statement)[0]
        above = source.lines[max(first - 2, 0) :: -1]
        lines = tuple(takewhile(lambda line: line.strip() == "\\", above))[::-1]
        start = first - len(lines)
        if lines and start not in taken:
            yield Edit(cls, method, start, lines, (), "a backslash on a line of its own says nothing")


def unkept_line(source: SourceModule, method: cst.FunctionDef) -> int | None:
    """The first line of a method that the tree does not have, apart from spaces in front; None if it has all."""
    first, last = source.lines_of(method)
    kept = source.code(method).splitlines()
    pairs = zip(source.lines[first - 1 : last], kept, strict=False)
    return next((at for at, (written, held) in enumerate(pairs, first) if written.strip() != held.strip()), None)
