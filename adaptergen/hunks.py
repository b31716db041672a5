"""Edits of borrowed code with the lines around them: what upstream has there, what stands there now, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from msgspec import Struct

from adaptergen.source import SourceModule
from adaptergen.transforms.edits import Edit, in_order


CONTEXT = 3  # lines around edits


class Row(Struct, frozen=True):
    """A line of upstream and what stands there now; `None` where one of them has none."""

    number: int
    left: str | None
    right: str | None

    @property
    def is_changed(self) -> bool:
        return self.left != self.right


class Passage(Struct, frozen=True):
    """Rows that follow each other, behind the reason of the edit that they are."""

    rows: tuple[Row, ...]
    because: str = ""


class Hunk(Struct, frozen=True):
    """Edits of one method that are near each other, with the lines around them."""

    method: str
    line: int
    passages: tuple[Passage, ...]


def hunks(source: SourceModule, edits: Sequence[Edit]) -> Iterator[Hunk]:
    for near in _neighbours(edits):
        first = max(near[0].line - CONTEXT, 1)
        yield Hunk(f"{near[0].cls}.{near[0].method}", near[0].line, tuple(_passages(source, near, first)))


def _neighbours(edits: Sequence[Edit]) -> list[list[Edit]]:
    """Edits of one method whose surroundings touch."""
    groups: list[list[Edit]] = []
    for edit in in_order(edits):
        last = groups[-1][-1] if groups else None
        is_same = last is not None and (last.cls, last.method) == (edit.cls, edit.method)
        if last is not None and is_same and edit.line - _end(last) <= 2 * CONTEXT:
            groups[-1].append(edit)
        else:
            groups.append([edit])
    return groups


def _end(edit: Edit) -> int:
    """The first line after it."""
    return edit.line + len(edit.before)


def _passages(source: SourceModule, near: Sequence[Edit], line: int) -> Iterator[Passage]:
    for edit in near:
        yield _unchanged(source, line, edit.line)
        pairs = zip_longest(edit.before, edit.after)
        yield Passage(tuple(Row(edit.line + place, *pair) for place, pair in enumerate(pairs)), edit.because)
        line = _end(edit)
    yield _unchanged(source, line, line + CONTEXT)


def _unchanged(source: SourceModule, first: int, end: int) -> Passage:
    lines = source.lines[first - 1 : end - 1]
    return Passage(tuple(Row(first + place, text, text) for place, text in enumerate(lines)))
