"""Where is the statement that a plan names? It is found by class, method, text and turn, never by a line number."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import TypeVar

import libcst as cst
from msgspec.structs import replace

from adaptergen.plan import IntegrationPlan, PrefixHook, ResidualHook
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.source import SourceModule, Statement, expressions


Hook = TypeVar("Hook", ResidualHook, PrefixHook)


def find_statement(source: SourceModule, cls: str, method: str, text: str, nth: int) -> Statement:
    """The statement of upstream that a plan names.

    Raises:
        ProblemsFound: the class, the method or the statement is not there.
    """
    owner = source.classes.get(cls)
    node = owner.methods.get(method) if owner else None
    if owner is None or node is None:
        missing = (
            _missing(f"class {cls}", cls, source.classes)
            if owner is None
            else _missing(f"method {cls}.{method}", method, owner.methods)
        )
        raise ProblemsFound(anchor_gone(missing, Location(source.path)))
    found = [statement for statement in source.statements(node) if source.header(statement) == text]
    if nth < len(found):
        return found[nth]
    first = text.partition("\n")[0]
    candidates = _named(f"`{line}` (line {number})" for line, number in _nearest(source, cls, text))
    message = f"{cls}.{method} has no statement `{first}` (occurrence {nth}){candidates}"
    raise ProblemsFound(anchor_gone(message, source.at(node)))


def find_expression(
    source: SourceModule, statement: Statement, text: str, is_it: Callable[[cst.BaseExpression], bool]
) -> cst.BaseExpression:
    """The first expression of a statement that is the one; `text` is what the plan calls it.

    Raises:
        ProblemsFound: there is none.
    """
    for node in expressions(statement):
        if is_it(node):
            return node
    first = source.header(statement).partition("\n")[0]
    raise ProblemsFound(anchor_gone(f"there is no `{text}` in `{first}`", source.at(statement)))


def anchor_gone(message: str, at: Location) -> Problem:
    return Problem("anchor-gone", message, at, "run `adaptergen plan NAME` and compare, then `adaptergen update NAME`")


def anchored_again(plan: IntegrationPlan, source: SourceModule) -> IntegrationPlan:
    """The plan whose entries by hand say where their statements are now.

    Raises:
        ProblemsFound: a statement, or a module of a layer, is gone; all of them are named.
    """
    problems: list[Problem] = []

    def found(hook: Hook) -> Hook:
        if hook.by != "hand":
            return hook
        try:
            at = source.at(find_statement(source, hook.cls, hook.method, hook.statement, hook.nth))
        except ProblemsFound as gone:
            problems.extend(gone.problems)
            return hook
        return replace(hook, at=at.short)

    problems.extend(_unmade_places(plan, source))
    moved = replace(plan, residuals=tuple(map(found, plan.residuals)), prefixes=tuple(map(found, plan.prefixes)))
    if problems:
        raise ProblemsFound(*problems)
    return moved


def _unmade_places(plan: IntegrationPlan, source: SourceModule) -> Iterator[Problem]:
    """Places by hand in classes of layers that are not there, or in modules that no such class has."""
    for layer in plan.layers:
        paths = [place.host for place in layer.bottleneck if place.by == "hand"]
        paths += [place.path for place in layer.attention if place.by == "hand"]
        paths += [place.path for place in layer.projections if place.by == "hand"]
        for path in paths:
            if message := _unmade(source, layer.cls, path):
                yield anchor_gone(message, Location(source.path))


def _unmade(source: SourceModule, cls: str, path: str) -> str:
    """What is missing, as far as the file tells: a class may inherit from others elsewhere."""
    if cls not in source.classes:
        return _missing(f"class {cls}", cls, source.classes)
    name = path.partition(".")[0]
    texts = (source.code(owner.node) for owner in source.ancestry(cls))
    is_there = not name or any(re.search(rf"\bself\.{re.escape(name)}\b", text) for text in texts)
    return "" if is_there else f"{cls} has no `self.{name}`, though the plan names {path} in it"


def _missing(what: str, name: str, there: Iterable[str]) -> str:
    near = get_close_matches(name, list(there))
    return f"{what}, which the plan names, is not in this file{_named(near)}"


def _nearest(source: SourceModule, cls: str, text: str) -> Iterator[tuple[str, int]]:
    """(first line, its number) of the statements of a class that are most like a text."""
    statements = {
        source.header(statement): statement
        for method in source.classes[cls].methods.values()
        for statement in source.statements(method)
    }
    for header in get_close_matches(text, statements):
        yield header.partition("\n")[0], source.at(statements[header]).line


def _named(candidates: Iterable[str]) -> str:
    listed = ", ".join(candidates)
    return f"; nearest: {listed}" if listed else ""
