"""What a copied method must not take over as it stands: bare `super()`, and decorators that only serve documentation.

    super().forward(x)  →  super(GPTNeoBlock, self).forward(x)

In a subclass of upstream's class a bare `super()` would find upstream's own method instead of its parent's.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import accumulate

import libcst as cst

from adaptergen.source import SourceModule, descendants
from adaptergen.transforms.edits import Edit, Replacement, parsed, upstream_lines


FOR_DOCUMENTATION = ("auto_docstring", "add_start_docstrings_to_model_forward", "replace_return_docstrings")


def name_parents(source: SourceModule, cls: str, method: str) -> Iterator[Replacement]:
    """Every statement of the method that calls a bare `super()`, with the class named."""
    for statement in source.statements(source.classes[cls].methods[method]):
        if isinstance(statement, cst.SimpleStatementLine) and any(
            map(_is_bare_super, descendants(statement, cst.Call))
        ):
            line, before = upstream_lines(source, statement, statement)
            after = _with_class_named(before, cls)
            edit = Edit(cls, method, line, before, after, f"super() would be {cls} itself in a subclass")
            new = parsed(after).with_changes(leading_lines=statement.leading_lines)
            yield Replacement(edit, (statement,), (new,))


def drop_documentation(source: SourceModule, cls: str, method: str) -> tuple[cst.FunctionDef, tuple[Edit, ...]]:
    """The method without decorators that only serve documentation."""
    node = source.classes[cls].methods[method]
    kept: list[cst.Decorator] = []
    edits: list[Edit] = []
    for decorator in node.decorators:
        if _name(decorator.decorator) in FOR_DOCUMENTATION:
            first, last = source.lines_of(decorator)
            if not kept and decorator is node.decorators[-1]:  # and with it comments between it and the method
                last = source.at(node).line - 1
            lines = source.lines[first - 1 : last]
            edits.append(Edit(cls, method, first, lines, (), "upstream documents its own class with it"))
        else:
            kept.append(decorator)
    below = node.lines_after_decorators if kept else ()
    return node.with_changes(decorators=kept, lines_after_decorators=below), tuple(edits)


def _with_class_named(lines: tuple[str, ...], cls: str) -> tuple[str, ...]:
    """The lines with each bare `super()` exchanged, however it is written, and nothing that only reads so."""
    data = "\n".join(("if True:", *lines)).encode()
    starts = [0, *accumulate(len(line) + 1 for line in data.split(b"\n"))]
    spans = [
        (starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset)
        for node in ast.walk(ast.parse(data))
        if isinstance(node, ast.Call) and ast.unparse(node) == "super()" and node.end_lineno and node.end_col_offset
    ]
    for start, end in sorted(spans, reverse=True):
        data = data[:start] + f"super({cls}, self)".encode() + data[end:]
    return tuple(data.decode().split("\n")[1:])


def _is_bare_super(call: cst.Call) -> bool:
    return not call.args and _name(call) == "super"


def _name(node: cst.BaseExpression) -> str:
    inner = node.func if isinstance(node, cst.Call) else node
    return inner.value if isinstance(inner, cst.Name) else ""
