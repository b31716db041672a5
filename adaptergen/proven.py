"""What came of running one class of an architecture; torch is not needed to tell it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from adaptergen.problems import Problem
from adaptergen.rendering.environment import cell


class Proven(Struct, frozen=True):
    """
    The checks of one model class.

    Args:
        model: name of the architecture.
        subject: the class, with its role where it can play several.
        checks: how many promises were tried.
        problems: those that are not kept.
    """

    model: str
    subject: str
    checks: int
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        failed = f"{len(self.problems)} failed" if self.problems else "all passed"
        return f"{self.subject}: {self.checks} checks, {failed}"


def as_json(proven: Sequence[Proven]) -> list[dict[str, object]]:
    return [
        {"model": each.model, "class": each.subject, "checks": each.checks, "failed": len(each.problems)}
        for each in proven
    ]


def as_markdown(proven: Sequence[Proven], command: str) -> str:
    """A table of what was run, or the command that runs it."""
    if not proven:
        return f"Not run yet: `{command}`."
    rows = (f"| {cell(each.subject)} | {each.checks} | {len(each.problems) or 'none'} |" for each in proven)
    return "\n".join(["| Class | Checks | Failed |", "| --- | ---: | ---: |", *rows])
