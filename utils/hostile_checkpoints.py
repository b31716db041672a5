"""Damages stored adapters, heads, mixtures, setups and archives many times, and counts what loading does with them.

\b
    python utils/hostile_checkpoints.py --count 1000

It ends with 1 if a single one is neither refused as it should be nor sound.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import click


sys.path.insert(0, str(Path(__file__).parent.parent))

import torch

from tests_adapters.core.hostile.stored import stored_kinds
from tests_adapters.core.hostile.trials import Outcome, trial
from utils.tally import Trial, tally


@click.command(help=__doc__)
@click.option("--count", type=click.IntRange(1), default=1000, show_default=True, help="How many, over all kinds.")
@click.option("--start", type=click.IntRange(0), default=0, show_default=True, help="Number of the first draw.")
def main(count: int, start: int) -> None:
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    with click.progressbar(_outcomes(count, start), length=count, file=sys.stderr) as outcomes:
        is_wrong = tally(map(_told, outcomes), ("refused", "loaded"))
    sys.exit(is_wrong)


def _told(outcome: Outcome) -> Trial:
    again = f"{outcome.kind}, draw {outcome.seed}: {outcome.damage}\n  {outcome.defect}"
    return Trial(outcome.kind, "refused" if outcome.refusal else "loaded", again if outcome.defect else "")


def _outcomes(count: int, start: int) -> Iterator[Outcome]:
    """One kind after the other, and then with the next draw."""
    kinds = list(stored_kinds())
    return (trial(kinds[number % len(kinds)], start + number // len(kinds)) for number in range(count))


if __name__ == "__main__":
    main()
