"""What has become of many trials: how often each thing, kind by kind, and at once whatever must not be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import click


@dataclass(frozen=True)
class Trial:
    """
    Args:
        kind: of what was tried.
        result: one of the columns of the table.
        defect: what must not be, and how to see it again; or "".
    """

    kind: str
    result: str
    defect: str = ""


def tally(trials: Iterable[Trial], columns: Sequence[str]) -> bool:
    """Show a row for each kind, and each defect when it is met; was there one?"""
    told: dict[str, Counter[str]] = {}
    for trial in trials:
        told.setdefault(trial.kind, Counter())["wrong" if trial.defect else trial.result] += 1
        if trial.defect:
            click.echo(f"\n{trial.defect}", err=True)
    for kind, counts in told.items():
        click.echo(f"{kind:<20}" + " ".join(f"{counts[column]:>5} {column}" for column in (*columns, "wrong")))
    return any(counts["wrong"] for counts in told.values())
