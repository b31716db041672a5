"""Mangles modeling files many times, of the cases and of transformers, and counts what becomes of them.

\b
    python utils/hostile_sources.py --count 1000
    python utils/hostile_sources.py --seed 7 --only 42    # that one again, with its text

It ends with 1 if a single one is neither refused as it should be nor sound.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click


sys.path.insert(0, str(Path(__file__).parent.parent))

from tests_adapters.generator.hostile.trials import mutant, trial
from utils.tally import Trial, tally


@click.command(help=__doc__)
@click.option("--count", type=click.IntRange(1), default=1000, show_default=True, help="How many.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all draws.")
@click.option("--only", type=click.IntRange(0), help="Only the one with this number: show its text, and judge it.")
def main(count: int, seed: int, only: int | None) -> None:
    logging.disable(logging.WARNING)
    if only is not None:
        sys.stdout.buffer.write(mutant(seed, only).text)
    numbers = range(count) if only is None else [only]
    with click.progressbar(numbers, file=sys.stderr) as shown:
        is_wrong = tally((_tried(seed, number, all_of_it=only is not None) for number in shown), ("refused", "taken"))
    sys.exit(is_wrong)


def _tried(seed: int, number: int, *, all_of_it: bool) -> Trial:
    outcome = trial(seed, number)
    tried = outcome.mutant
    if all_of_it:
        click.echo(f"{outcome.refusal or 'taken'}\n{outcome.memory >> 20} MB", err=True)
    again = f"--seed {seed} --only {number}: {tried.original.name}, {tried.done}\n  {outcome.defect}"
    return Trial(tried.kind, "refused" if outcome.refusal else "taken", again if outcome.defect else "")


if __name__ == "__main__":
    main()
