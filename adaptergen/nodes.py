"""What is below a node of a syntax tree, in the order of the text?

libcst's own `children` copies each node that it is asked about; these read its fields. Spaces, comments, commas and
brackets are left out.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TypeGuard, TypeVar

import libcst as cst


Node = TypeVar("Node", bound=cst.CSTNode)
Statement = cst.SimpleStatementLine | cst.BaseCompoundStatement
STATEMENTS = (cst.SimpleStatementLine, cst.BaseCompoundStatement)
SIGNS = re.compile(
    r"\w*whitespace\w*|\w*lines\w*|l(par|bracket|brace)|r(par|bracket|brace)|comma|dot|equal|semicolon|header|footer|relative"
)
WITHOUT_STATEMENTS = (cst.BaseExpression, cst.BaseSmallStatement)

_orders: dict[tuple[type[cst.CSTNode], tuple[str, ...]], tuple[str, ...]] = {}  # class and filled fields → their order
_kinds: dict[tuple[type, type], bool] = {}  # class and another one → whether it derives from that


def children(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The nodes right below this one."""
    filled = {name: held for name in _fields(type(node)) if (held := _nodes(getattr(node, name)))}
    if len(filled) > 1:
        key = type(node), tuple(filled)
        if key not in _orders:
            _orders[key] = _order(node, filled)
        return [child for name in _orders[key] for child in filled[name]]
    return list(next(iter(filled.values()), ()))


@cache
def _fields(cls: type[cst.CSTNode]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls) if not SIGNS.fullmatch(field.name))


def _nodes(held: object) -> Sequence[cst.CSTNode]:
    """The nodes in a field, which holds one, several or something else."""
    if is_a(held, cst.CSTNode):  # type: ignore[type-abstract]
        return (held,)
    if isinstance(held, list | tuple):
        return [each for each in held if is_a(each, cst.CSTNode)]  # type: ignore[type-abstract]
    return ()


def is_a(value: object, kind: type[Node]) -> TypeGuard[Node]:
    """`isinstance`, which takes long for classes that are abstract, as all of libcst are."""
    key = type(value), kind
    if key not in _kinds:
        _kinds[key] = isinstance(value, kind)
    return _kinds[key]


def _order(node: cst.CSTNode, filled: dict[str, Sequence[cst.CSTNode]]) -> tuple[str, ...]:
    """The fields in the order in which libcst visits what they hold, which is that of the text."""
    places = {id(child): place for place, child in enumerate(node.children)}
    return tuple(sorted(filled, key=lambda name: places[id(filled[name][0])]))


def descendants(node: cst.CSTNode, kind: type[Node]) -> Iterator[Node]:
    """Every node of a kind at or below `node`, in the order of the text."""
    return (each for each in below(node) if is_a(each, kind))


def below(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """This node and every node below it, in the order of the text."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(children(current)))


def expressions(node: cst.CSTNode) -> Iterator[cst.BaseExpression]:
    """Every expression at or below `node`, in the order of the text, the outer ones first."""
    return descendants(node, cst.BaseExpression)  # type: ignore[type-abstract]


def names_read(node: cst.CSTNode) -> Iterator[str]:
    """Every name that is read, but not attribute names, keywords of calls or parameters."""
    match node:
        case cst.Name():
            yield node.value
            return
        case cst.Attribute():
            yield from names_read(node.value)
            return
        case cst.Arg():
            yield from names_read(node.value)
            return
        case cst.Param():
            for part in (node.annotation, node.default):
                if part is not None:
                    yield from names_read(part)
            return
    for child in children(node):
        yield from names_read(child)


def statements(node: cst.CSTNode) -> Iterator[Statement]:
    """Every statement below a node, in the order of the text."""
    for child in blocks(node):
        if isinstance(child, STATEMENTS):
            yield child
        yield from statements(child)


def is_alone(statement: cst.CSTNode) -> bool:
    """Is it one statement without a block, on lines of its own?"""
    return isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1


def indented_blocks(node: cst.CSTNode) -> Iterator[cst.IndentedBlock]:
    """Every block of statements below a node, the outer ones first."""
    for child in blocks(node):
        if isinstance(child, cst.IndentedBlock):
            yield child
        yield from indented_blocks(child)


def blocks(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The nodes right below this one that can have statements in them, or are some."""
    return [child for child in children(node) if not isinstance(child, WITHOUT_STATEMENTS)]
