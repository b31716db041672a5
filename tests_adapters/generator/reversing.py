"""Upstream's file with the edits in it, and its methods, as Python's own parser finds them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from adaptergen.pipeline import Integration
from adaptergen.transforms.edits import in_order


def edited_file(made: Integration) -> tuple[str, ...]:
    """Upstream's lines with every edit made in place."""
    lines = list(made.source.lines)
    for edit in reversed(in_order(made.borrowed.edits)):
        lines[edit.line - 1 : edit.line - 1 + len(edit.before)] = edit.after
    return tuple(lines)


def methods(text: str) -> dict[tuple[str, str], tuple[int, tuple[str, ...]]]:
    """(class, method) → its first line, decorators included, and its lines; of what is there twice, the last."""
    lines = text.splitlines()
    found = {}
    for cls in run_with(ast.parse(text).body):
        if not isinstance(cls, ast.ClassDef):
            continue
        found = {key: held for key, held in found.items() if key[0] != cls.name}
        for node in cls.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                found[cls.name, node.name] = start, tuple(lines[start - 1 : node.end_lineno])
    return found


def run_with(block: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that are run when a block is: not those of functions and classes in it."""
    for node in block:
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for name in ("body", "orelse", "finalbody"):
            yield from run_with(getattr(node, name, []))
        for branch in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from run_with(branch.body)
