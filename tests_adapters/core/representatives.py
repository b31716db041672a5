"""
Which architectures stand for all of them when there is no time for everything?

A few whose plans have, together, every structure that any plan has: each kind of hook, site, stack and head, and each
decision that can go one way or the other. They are chosen from the plans alone, so that a model that brings something
new is tested in full, and no list needs care.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


# What differs between any two architectures, and is no structure: names, sizes, reasons.
PARTICULAR = frozenset(
    (
        *("at", "because", "by", "classes", "config", "imports", "model_type", "name", "parameters", "source"),
        *("tiny_config", "title"),
    )
)

# Settings with few values, each of which means something else.
KINDS = frozenset(("head_type", "head_types", "is_causal", "kind", "location", "roles", "rows", "sentence"))


def representatives(plans: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Names of as few plans as it takes to show every structure, always the one with most that is new."""
    structures = {name: frozenset(_structures(plans[name])) for name in sorted(plans)}
    missing = frozenset().union(*structures.values())
    chosen: list[str] = []
    while missing:
        best = max(structures, key=lambda name: len(structures[name] & missing))
        chosen.append(best)
        missing -= structures[best]
    return tuple(chosen)


def plans_below(folder: Path) -> dict[str, Mapping[str, Any]]:
    """The plan of each model of a package, by the name of the model."""
    paths = sorted(folder.glob("*/plan.toml"))
    return {path.parent.name: tomllib.loads(path.read_text(encoding="utf-8")) for path in paths}


def _structures(part: object, path: str = "") -> Iterator[str]:
    """What a plan sets, by the path of the setting; with its value where that is one of a few."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key not in PARTICULAR:
                yield from _structures(value, f"{path}.{key}")
    elif isinstance(part, list):
        for value in part:
            yield from _structures(value, path)
    else:
        is_kind = isinstance(part, bool) or path.rpartition(".")[2] in KINDS
        yield f"{path} = {part}" if is_kind else path
