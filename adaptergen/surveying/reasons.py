"""Which reasons keep how many architectures from a method?"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from adaptergen.surveying.record import Architecture


class Reason(Struct, frozen=True):
    """A reason without the names and places that differ, the methods that it keeps out, and where."""

    text: str
    methods: tuple[str, ...]
    architectures: tuple[str, ...]


def reasons(architectures: Iterable[Architecture]) -> tuple[Reason, ...]:
    """Every reason, the most frequent first."""
    found: dict[str, dict[str, set[str]]] = {}
    for each in architectures:
        for because, methods in why_not(each):
            found.setdefault(general(because), {}).setdefault(each.name, set()).update(methods)
    grouped = (
        Reason(text, tuple(sorted(set().union(*by_name.values()))), tuple(sorted(by_name)))
        for text, by_name in found.items()
    )
    return tuple(sorted(grouped, key=lambda reason: (-len(reason.architectures), reason.text)))


def why_not(each: Architecture) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Each reason of one architecture once, with the methods that it is about."""
    told: dict[str, list[str]] = {}
    for method, cell in each.methods.items():
        if not cell.supported:
            for part in cell.because.split("; "):
                told.setdefault(part, []).append(method)
        elif cell.proven is False:
            told.setdefault(cell.because, []).append(method)
    return tuple((because, tuple(methods)) for because, methods in told.items())


def general(text: str) -> str:
    """A reason with `…` for the names of classes, paths and places."""
    text = re.sub(r"\s*\(?\b\w+\.py:\d+\)?", "", text)
    text = re.sub(r"\([\w., *]+\.[\w., *]+\)", "(…)", text)
    return re.sub(r"\b(?:[A-Z]\w*[a-z]\w*|[a-z_]+(?:\.\w+)+)\b", "…", text)
