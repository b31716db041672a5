"""Kills `add-model` and `update --all` at random moments, and looks at what the next command finds.

\b
    python utils/killed_runs.py --count 200

It ends with 1 if a tree is neither as before nor as after, or if the next command needs advice.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click


sys.path.insert(0, str(Path(__file__).parent.parent))

from tests_adapters.generator.killing import Outcome, Scene, scenes, trial
from utils.tally import Trial, tally


LEFT = ("as before", "staged", "half-written", "as after")


@click.command(help=__doc__)
@click.option("--count", type=click.IntRange(1), default=200, show_default=True, help="How many, over all commands.")
@click.option("--start", type=click.IntRange(0), default=0, show_default=True, help="Number of the first draw.")
def main(count: int, start: int) -> None:
    with scenes() as all_scenes:
        is_wrong = tally(map(_told, _outcomes(all_scenes, count, start)), LEFT)
    sys.exit(is_wrong)


def _told(outcome: Outcome) -> Trial:
    again = f"{outcome.command[0]}, draw {outcome.seed}: {outcome.moment}\n  {outcome.defect}"
    return Trial(" ".join(outcome.command[:2]), outcome.left, again if outcome.defect else "")


def _outcomes(all_scenes: Sequence[Scene], count: int, start: int) -> Iterator[Outcome]:
    """One command after the other, and then with the next draw."""
    for number in range(count):
        yield trial(all_scenes[number % len(all_scenes)], start + number)


if __name__ == "__main__":
    main()
