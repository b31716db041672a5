"""Which names does a block of statements give a meaning, and in which order? On the tree of Python's own parser."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence


SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
HOLDERS = (ast.stmt, ast.ExceptHandler, ast.match_case)  # of statements


def run_with(block: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that are run when the block is, in the order of the text: none of functions and classes in it."""
    for node in block:
        yield node
        if isinstance(node, SCOPES):
            continue
        for name in ("body", "orelse", "finalbody"):
            yield from run_with(getattr(node, name, ()))
        for branch in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from run_with(branch.body)


def bound_by(node: ast.stmt) -> Iterator[str]:
    """The names to which this statement gives a meaning, or takes it, without those of statements in it."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in aliases)
        case _:
            inner = (part for part in ast.iter_child_nodes(node) if not isinstance(part, HOLDERS))
            named = (each for part in inner for each in ast.walk(part) if isinstance(each, ast.Name))
            yield from (each.id for each in named if is_stored(each))


def is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)


def bound_names(block: Sequence[ast.stmt]) -> frozenset[str]:
    """All of them; with "*" among them there are more, which only the imported module knows."""
    return frozenset(name for node in run_with(block) for name in bound_by(node))
