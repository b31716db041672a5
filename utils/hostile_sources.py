"""Mangles modeling files many times, of the cases and of transformers, and counts what becomes of them.

    python utils/hostile_sources.py --count 1000
    python utils/hostile_sources.py --seed 7 --only 42    # that one again, with its text

It ends with 1 if a single one is neither refused as it should be nor sound.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from pathlib import Path

import click


sys.path.insert(0, str(Path(__file__).parent.parent))

from tests_adapters.generator.hostile.trials import Outcome, mutant, trial


@click.command(help=__doc__)
@click.option("--count", type=click.IntRange(1), default=1000, show_default=True, help="How many.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all draws.")
@click.option("--only", type=click.IntRange(0), help="Only the one with this number: show its text, and judge it.")
def main(count: int, seed: int, only: int | None) -> None:
    logging.disable(logging.WARNING)
    if only is not None:
        sys.stdout.buffer.write(mutant(seed, only).text)
    told: dict[str, Counter[str]] = {}
    numbers = range(count) if only is None else [only]
    with click.progressbar(numbers, file=sys.stderr) as shown:
        for number in shown:
            outcome = trial(seed, number)
            what = "defect" if outcome.defect else "refused" if outcome.refusal else "taken"
            told.setdefault(outcome.mutant.kind, Counter())[what] += 1
            _echo(outcome, f"--seed {seed} --only {number}", all_of_it=only is not None)
    for kind, counts in sorted(told.items()):
        click.echo(f"{kind:<15} {counts['refused']:>5} refused {counts['taken']:>5} taken {counts['defect']:>5} wrong")
    sys.exit(any(counts["defect"] for counts in told.values()))


def _echo(outcome: Outcome, again: str, *, all_of_it: bool) -> None:
    """A defect as soon as it is found, with how to see it again."""
    if outcome.defect:
        tried = outcome.mutant
        click.echo(f"{again}: {tried.original.name}, {tried.done}\n  {outcome.defect}", err=True)
    elif outcome.refusal and all_of_it:
        click.echo(outcome.refusal, err=True)


if __name__ == "__main__":
    main()
