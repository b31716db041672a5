"""Damages stored adapters, heads, mixtures, setups and archives many times, and counts what loading does with them.

    python utils/hostile_checkpoints.py --count 1000

It ends with 1 if a single one is neither refused as it should be nor sound.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click


sys.path.insert(0, str(Path(__file__).parent.parent))

import torch

from tests_adapters.core.hostile.stored import stored_kinds
from tests_adapters.core.hostile.trials import Outcome, trial


@click.command(help=__doc__)
@click.option("--count", type=click.IntRange(1), default=1000, show_default=True, help="How many, over all kinds.")
@click.option("--start", type=click.IntRange(0), default=0, show_default=True, help="Number of the first draw.")
def main(count: int, start: int) -> None:
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    told: dict[str, Counter[str]] = {}
    defects = []
    with click.progressbar(_outcomes(count, start), length=count, file=sys.stderr) as outcomes:
        for outcome in outcomes:
            what = "defect" if outcome.defect else "refused" if outcome.refusal else "loaded"
            told.setdefault(outcome.kind, Counter())[what] += 1
            defects += [outcome] if outcome.defect else []
    for kind, counts in told.items():
        click.echo(
            f"{kind:<15} {counts['refused']:>5} refused {counts['loaded']:>5} loaded {counts['defect']:>5} wrong"
        )
    for outcome in defects:
        click.echo(f"{outcome.kind}, draw {outcome.seed}: {outcome.damage}\n  {outcome.defect}", err=True)
    sys.exit(bool(defects))


def _outcomes(count: int, start: int) -> Iterator[Outcome]:
    """One kind after the other, and then with the next draw."""
    kinds = list(stored_kinds())
    return (trial(kinds[number % len(kinds)], start + number // len(kinds)) for number in range(count))


if __name__ == "__main__":
    main()
