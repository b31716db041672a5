"""Where are the statements and expressions of a text, and what is it with one of them exchanged?

Python's own parser tells it, not the one that is on trial.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar


Node = TypeVar("Node", bound=ast.AST)


@dataclass(frozen=True)
class Text:
    """A Python text that is being mangled."""

    text: str
    tree: ast.Module
    starts: tuple[int, ...]  # of each line, in bytes

    @classmethod
    def of(cls, text: str) -> Text | None:
        """None if it is no Python (any more)."""
        try:
            with warnings.catch_warnings(action="ignore"):
                tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        lines = text.encode().split(b"\n")
        return cls(text, tree, (0, *accumulate(len(line) + 1 for line in lines)))

    def all(self, kind: type[Node], fits: Callable[[Node], bool] = lambda _: True) -> list[Node]:
        return [node for node in ast.walk(self.tree) if isinstance(node, kind) and fits(node)]

    def blocks(self) -> Iterator[list[ast.stmt]]:
        """Every list of statements that has lines of its own."""
        for node in ast.walk(self.tree):
            for name in ("body", "orelse", "finalbody"):
                held = getattr(node, name, None)
                if isinstance(held, list) and held and self._has_own_lines(held):
                    yield held

    def _has_own_lines(self, block: list[ast.stmt]) -> bool:
        """Not `if x: y = 1`, and not `x = 1; y = 2`."""
        lines = [line for each in block for line in range(first_line(each), (each.end_lineno or 0) + 1)]
        return len(lines) == len(set(lines)) and all(
            not self.line(first_line(each))[: each.col_offset].strip() for each in block
        )

    def line(self, number: int) -> str:
        return self.text.split("\n")[number - 1]

    def lines(self, node: ast.stmt) -> list[str]:
        """Of a statement, with its decorators."""
        return self.text.split("\n")[first_line(node) - 1 : node.end_lineno]

    def with_lines(self, node: ast.stmt, new: list[str]) -> str:
        lines = self.text.split("\n")
        lines[first_line(node) - 1 : node.end_lineno] = new
        return "\n".join(lines)

    def code(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self.text.encode()[start:end].decode()

    def with_code(self, node: ast.AST, new: str) -> str:
        start, end = self._span(node)
        data = self.text.encode()
        return (data[:start] + new.encode() + data[end:]).decode()

    def with_codes(self, nodes: list[ast.AST], new: str) -> str:
        """The same text in the place of several that do not overlap."""
        data = self.text.encode()
        for start, end in sorted(map(self._span, nodes), reverse=True):
            data = data[:start] + new.encode() + data[end:]
        return data.decode()

    def _span(self, node: ast.AST) -> tuple[int, int]:
        at = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
        start, end = (self.starts[line - 1] + column for line, column in at)
        return start, end


def first_line(node: ast.stmt) -> int:
    """With its decorators."""
    return min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])


def indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
