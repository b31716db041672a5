"""Kills a process before each change that saving adapters makes to the disk, and loads what is there.

\b
    python utils/killed_saves.py

It ends with 1 if that is neither what was there before, nor what was saved, nor refused with the name of a file.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import click


sys.path.insert(0, str(Path(__file__).parent.parent))

import torch

from tests_adapters.core.killed_saves import Saved, all_saved, careless, outcomes
from utils.tally import Trial, tally


LEFT = ("old", "new", "refused")


@click.command(help=__doc__)
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, help="Before each of so many steps.")
@click.option("--times", type=click.IntRange(0), default=10, show_default=True, help="And at so many times, of each.")
@click.option("--careless", "is_careless", is_flag=True, help="What writes one file after the other: is it noticed?")
def main(every: int, times: int, is_careless: bool) -> None:
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    tried = [careless()] if is_careless else list(all_saved())
    sys.exit(tally(_trials(tried, every, times), LEFT))


def _trials(tried: list[Saved], every: int, times: int) -> Iterator[Trial]:
    for saved in tried:
        for outcome in outcomes(saved, every=every, times=times):
            again = f"{outcome.kind}, {outcome.moment}: {outcome.defect}"
            yield Trial(outcome.kind, outcome.left, again if outcome.defect else "")


if __name__ == "__main__":
    main()
