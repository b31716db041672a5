"""The survey as pages: one for a browser, one for the docs, and a summary for the README."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from adaptergen.rendering import METHOD_TITLES
from adaptergen.rendering.environment import environment
from adaptergen.surveying.counting import ASKED, MAIN_THREE, cells_of, proven, summary, supported
from adaptergen.surveying.reasons import reasons
from adaptergen.surveying.record import COLUMNS, GROUPS, PARALLEL, Architecture, Cell, Survey


TITLES = {**METHOD_TITLES, PARALLEL: "Parallel"}
STATES = {"proven": "✓", "yes": "○", "fails": "✗", "no": "–"}


def browser_page(survey: Survey, plans: dict[str, str]) -> str:
    """
    A page that needs no other file.

    Args:
        plans: architecture → the address of its plan, as seen from the page, for those that are in the project.
    """
    counted = survey.counted
    return _rendered(
        "page.html.jinja",
        **_common(survey),
        cards=[_card(methods, counted) for methods in ASKED],
        is_proven=any(cell.proven for each in counted for cell in each.methods.values()),
        groups=list(GROUPS.items()),
        families=sorted({each.kind.family for each in survey.architectures}),
        modalities=sorted({each.kind.modality for each in survey.architectures}),
        methods=list(TITLES.items()),
        rows=[_browser_row(each, plans.get(each.name, "")) for each in survey.architectures],
    )


def docs_page(survey: Survey) -> str:
    """The page of the docs, in Markdown."""
    groups = [
        (title, [_docs_row(each) for each in survey.architectures if each.kind.group == group])
        for group, title in GROUPS.items()
    ]
    return _rendered("coverage.md.jinja", **_common(survey), groups=[group for group in groups if group[1]])


def readme_summary(survey: Survey) -> str:
    """The numbers, in Markdown."""
    cells = [cells_of(survey.counted, methods) for methods in ASKED]
    were_proven = [proven(members) for members in cells]
    return _rendered(
        "summary.md.jinja",
        transformers=survey.transformers,
        counted=len(survey.counted),
        titles=[*TITLES.values(), "Main three"],
        supported=list(map(supported, cells)),
        proven=were_proven if any(were_proven) else [],
    )


def _common(survey: Survey) -> dict[str, Any]:
    return {
        "transformers": survey.transformers,
        "counted": len(survey.counted),
        "titles": list(TITLES.values()),
        "summary": summary(survey),
        "reasons": reasons(survey.counted),
    }


def _card(methods: Sequence[str], counted: Iterable[Architecture]) -> dict[str, Any]:
    cells = cells_of(counted, methods)
    return {
        "title": "Main three" if tuple(methods) == MAIN_THREE else TITLES[methods[0]],
        "supported": supported(cells),
        "proven": proven(cells),
        "failed": sum(any(cell.proven is False for cell in each) for each in cells),
    }


def _browser_row(each: Architecture, plan: str) -> dict[str, Any]:
    told: dict[str, list[str]] = {}
    for method in COLUMNS:
        told.setdefault(each.methods[method].because, []).append(TITLES[method])
    return {
        "name": each.name,
        "group": each.kind.group,
        "family": each.kind.family,
        "modality": each.kind.modality,
        "cells": [(method, state(cell), STATES[state(cell)], cell.because) for method, cell in each.methods.items()],
        "plan": plan,
        "has_plan": any(cell.supported for cell in each.methods.values()),
        "reasons": list(told.items()),
    }


def _docs_row(each: Architecture) -> dict[str, Any]:
    return {
        "name": each.name,
        "family": each.kind.family,
        "modality": each.kind.modality,
        "marks": [STATES[state(each.methods[method])] for method in COLUMNS],
    }


def state(cell: Cell) -> str:
    if not cell.supported:
        return "no"
    return {True: "proven", False: "fails", None: "yes"}[cell.proven]


def _rendered(template: str, **values: object) -> str:
    return _environment(escapes=".html" in template).get_template(template).render(values)


@cache
def _environment(*, escapes: bool) -> jinja2.Environment:
    made = environment(Path(__file__).parent)
    return made.overlay(autoescape=escapes)
