"""On which lines does a node stand? Told for one statement of a module at a time, since most are never asked about."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from adaptergen.nodes import below


class Positions:
    """The lines of the nodes of one module, counted from 1."""

    def __init__(self, tree: cst.Module, text: str) -> None:
        self._tree = tree
        self._text = text
        self._owners: dict[cst.CSTNode, int] = {}  # node → number of the statement of the module that it is in
        self._unread = self._read()
        self._found: dict[int, tuple[Mapping[cst.CSTNode, CodeRange], int]] = {}
        self._firsts: tuple[int, ...] = ()

    def lines(self, node: cst.CSTNode) -> tuple[int, int]:
        """The first line of a node, after its decorators and what is above it, and its last.

        Raises:
            KeyError: it is no node of this module, or only space or a sign.
        """
        while node not in self._owners:
            if next(self._unread, None) is None:
                raise KeyError(node)
        number = self._owners[node]
        if number not in self._found:
            self._found[number] = self._positions(number)
        ranges, before = self._found[number]
        return ranges[node].start.line + before, ranges[node].end.line + before

    def _read(self) -> Iterator[int]:
        """Note the nodes of one statement after the other."""
        for number, statement in enumerate(self._tree.body):
            self._owners.update(dict.fromkeys(below(statement), number))
            yield number

    def _positions(self, number: int) -> tuple[Mapping[cst.CSTNode, CodeRange], int]:
        """The positions in a module of this statement alone, and how many lines are before that."""
        statement = self._tree.body[number]
        alone = self._tree.with_changes(header=(), body=[statement], footer=())
        ranges = MetadataWrapper(alone, unsafe_skip_copy=True).resolve(PositionProvider)
        decorators = statement.decorators if isinstance(statement, cst.FunctionDef | cst.ClassDef) else ()
        first = ranges[decorators[0] if decorators else statement].start.line
        if not self._firsts:
            self._firsts = tuple(_first_lines(self._tree, self._text))
        return ranges, self._firsts[number] - first


def _first_lines(tree: cst.Module, text: str) -> Iterator[int]:
    """The first line of each statement of a module, with its decorators; several on one line are one."""
    parsed = ast.parse(text).body
    place = 0
    for statement in tree.body:
        first = parsed[place]
        place += len(statement.body) if isinstance(statement, cst.SimpleStatementLine) else 1
        yield min([first.lineno, *(each.lineno for each in getattr(first, "decorator_list", ()))])
