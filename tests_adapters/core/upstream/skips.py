"""Which of transformers' tests say nothing of a model with adapters? By a property of what is tested, with the reason.

Tests that upstream's own class does not pass either, with the same tiny model, are not listed: `outcomes.py` finds
them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests_adapters.core.upstream.flavours import Flavour


@dataclass(frozen=True)
class Skip:
    """
    Args:
        tests: names of transformers' tests, with `*`.
        applies: to which models.
        reason: as people read it.
    """

    tests: tuple[str, ...]
    applies: Callable[[Flavour], bool]
    reason: str


SKIPS: tuple[Skip, ...] = ()


def reason_to_skip(test: str, flavour: Flavour) -> str | None:
    """Why this test is not run, or None if it is."""
    found = (skip.reason for skip in SKIPS if skip.applies(flavour) and any(fnmatchcase(test, each) for each in skip.tests))
    return next(found, None)
