"""Exactly what was changed in borrowed code, as a diff against upstream's own file."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from adaptergen.source import SourceModule
from adaptergen.transforms.edits import Edit, in_order


def upstream_diff(source: SourceModule, edits: Sequence[Edit]) -> str:
    """A unified diff of upstream's file and the same file with every edit made in place."""
    edited = list(source.lines)
    for edit in reversed(in_order(edits)):
        edited[edit.line - 1 : edit.line - 1 + len(edit.before)] = edit.after
    lines = difflib.unified_diff(source.lines, edited, f"a/{source.path}", f"b/{source.path}", lineterm="")
    return "".join(f"{line}\n" for line in lines)
