"""Borrowed classes as the library writes them: every edit between two comments that say so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adaptergen import naming
from adaptergen.source import SourceModule, parse_source
from adaptergen.transforms import Borrowed
from adaptergen.transforms.call_adapters import AdapterCalls
from adaptergen.transforms.edits import Edit, in_order, indentation


LIBRARY_CALLS = AdapterCalls("self.bottleneck_layer_forward", "self.{}", takes_both=False)
START, END = "# >>> START AH Changes <<<", "# >>> END AH Changes <<<"


def marked_classes(source: SourceModule, borrowed: Borrowed) -> str:
    """The code of the borrowed classes with the two comments around each edit."""
    emitted = parse_source(borrowed.code, name="borrowed", path="borrowed.py")
    lines = list(emitted.lines)
    methods = sorted(
        (emitted.lines_of(emitted.classes[naming.with_adapters(cls)].methods[method]), cls, method)
        for cls, method in {(edit.cls, edit.method) for edit in borrowed.edits}
    )
    for (first, last), cls, method in reversed(methods):
        start = source.lines_of(source.classes[cls].methods[method])[0]
        own = [edit for edit in borrowed.edits if (edit.cls, edit.method) == (cls, method)]
        lines[first - 1 : last] = _marked(lines[first - 1 : last], start, own)
    return "\n".join(lines)


def _marked(lines: Sequence[str], start: int, edits: Sequence[Edit]) -> Iterator[str]:
    """The lines of one method; `start` is upstream's first line of it."""
    taken, line = 0, start
    for edit in in_order(edits):
        unchanged = edit.line - line
        yield from lines[taken : taken + unchanged]
        taken += unchanged
        changed = edit.after or tuple(f"{indentation(gone)}# Removed: {gone.strip()}" for gone in edit.before)
        if not _is_decorator(edit):
            indent = indentation(changed[0])
            yield from (f"{indent}{START}", *changed, f"{indent}{END}")
        taken += len(edit.after)
        line = edit.line + len(edit.before)
    yield from lines[taken:]


def _is_decorator(edit: Edit) -> bool:
    """What documents upstream's own class goes without a word."""
    return not edit.after and edit.before[0].lstrip().startswith("@")
