"""Which of several places of one kind come one after the other in a forward, and which instead of each other?

if self.parallel:
    x = attn + mlp + x      turn 0
else:
    x = attn + x            turn 0: one of the two happens
x = x + self.ffn(x)         turn 1
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from adaptergen.analysis.statements import method_node
from adaptergen.nodes import blocks, children
from adaptergen.source import Statement
from adaptergen.tracing.values import Site


def turns(sites: Sequence[Site]) -> list[int]:
    """For each place, in the order in which they were met, how many of the others come before it."""
    found: list[int] = []
    for site in sites:
        before = [turn for other, turn in zip(sites, found, strict=False) if not are_alternatives(other, site)]
        found.append(max(before, default=-1) + 1)
    return found


def are_alternatives(left: Site, right: Site) -> bool:
    """Does at most one of the two statements run, as far as the `if`s of the method tell in which both paths part?"""
    for a, b in zip(_path(left), _path(right), strict=False):
        if a.statement is not b.statement:
            return (a.cls, a.method) == (b.cls, b.method) and _part_at_a_condition(a, b)
    return False


def _path(site: Site | None) -> list[Site]:
    """The statements that lead to a place: the outermost call first, the place itself last."""
    return [] if site is None else [*_path(site.caller), site]


def _part_at_a_condition(left: Site, right: Site) -> bool:
    body = method_node(left.module, left.cls, left.method).body
    chosen = dict(_choices(body, left.statement))
    others = dict(_choices(body, right.statement))
    if any(others.get(condition, taken) != taken for condition, taken in chosen.items()):
        return True
    return _leaves(chosen, others) or _leaves(others, chosen)


def _choices(node: cst.CSTNode, statement: Statement) -> Iterator[tuple[cst.If, bool]]:
    """The conditions around a statement, and whether it stands where they hold."""
    for child in children(node):
        if not _contains(child, statement):
            continue
        if isinstance(node, cst.If):
            yield node, child is node.body
        if child is not statement:
            yield from _choices(child, statement)


def _leaves(chosen: dict[cst.If, bool], others: dict[cst.If, bool]) -> bool:
    """Does one of the conditions, which the other place is not under, end the method where it holds?"""
    return any(taken and condition not in others and _ends(condition.body) for condition, taken in chosen.items())


def _ends(block: cst.BaseSuite) -> bool:
    last = block.body[-1] if block.body else None
    return isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[-1], cst.Return | cst.Raise)


def _contains(node: cst.CSTNode, statement: Statement) -> bool:
    return node is statement or any(_contains(child, statement) for child in blocks(node))
