"""On which lines does a statement stand? Python's own parser tells it, whose tree has the same statements."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice

import libcst as cst

from adaptergen.nodes import Statement


Lines = tuple[int, int]  # the first and the last, counted from 1
BRANCHES = ("handlers", "cases")
PARTS = ("body", *BRANCHES, "orelse", "finalbody")  # of a statement, in the order of the text


class Positions:
    """The lines of the statements of one module, and of their decorators."""

    def __init__(self, tree: cst.Module, parsed: ast.Module) -> None:
        self._tree = tree
        self._parsed = parsed

    def lines(self, node: Statement | cst.Decorator) -> Lines:
        """The first line of a statement, after its decorators and what is above it, and its last.

        Raises:
            KeyError: it is no statement of this module.
        """
        return self._found[node]

    @cached_property
    def _found(self) -> dict[cst.CSTNode, Lines]:
        return dict(_in_block(self._tree.body, self._parsed.body))


def _in_block(block: Sequence[cst.CSTNode], parsed: Sequence[ast.stmt]) -> Iterator[tuple[cst.CSTNode, Lines]]:
    """All statements of a block, their decorators, and what is in them; several on one line are one."""
    rest = iter(parsed)
    for statement in block:
        count = len(statement.body) if isinstance(statement, cst.SimpleStatementLine) else 1
        first, *more = islice(rest, count)
        yield statement, (first.lineno, _last_line([first, *more][-1]))
        if isinstance(statement, cst.FunctionDef | cst.ClassDef):
            made = getattr(first, "decorator_list", ())
            yield from zip(statement.decorators, ((each.lineno, _last_line(each)) for each in made), strict=True)
        for inner, below in zip(_blocks(statement), _parsed_blocks(first), strict=True):
            yield from _in_block(inner, below)


def _last_line(node: ast.stmt | ast.expr) -> int:
    return node.end_lineno or node.lineno


def _blocks(node: cst.CSTNode) -> Iterator[Sequence[cst.CSTNode]]:
    """The statements of each block in a node; none where they are on the line of the node itself."""
    for name in PARTS if not isinstance(node, cst.SimpleStatementLine) else ():
        match getattr(node, name, None):
            case cst.IndentedBlock(body=statements):
                yield statements
            case cst.SimpleStatementSuite():
                yield ()
            case cst.If() as following:
                yield (following,)
            case cst.Else() | cst.Finally() as last:
                yield from _blocks(last)
            case [*branches]:
                for branch in branches:
                    yield from _blocks(branch)


def _parsed_blocks(node: ast.stmt) -> Iterator[Sequence[ast.stmt]]:
    for name in PARTS:
        held = getattr(node, name, None) or ()
        if name in BRANCHES:
            yield from (branch.body for branch in held)
        elif held:
            yield held
