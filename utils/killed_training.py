"""Kills the training of an adapter at random moments, up to three times, and starts it again from its checkpoints.

\b
    python utils/killed_training.py --count 100

It ends with 1 if the losses or the weights in the end are not those of a training that nobody killed, to the last bit.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click


sys.path.insert(0, str(Path(__file__).parent.parent))

import torch

from generated import AdapterTrainer
from tests_adapters.core.killed_training import AFTER, KINDS, STARTS, Outcome, trial, whole_run
from utils.tally import Trial, tally


@click.command(help=__doc__)
@click.option("--count", type=click.IntRange(1), default=100, show_default=True, help="How many, over all kinds.")
@click.option("--start", type=click.IntRange(0), default=0, show_default=True, help="Number of the first draw.")
@click.option("--careless", "is_careless", is_flag=True, help="One that begins with a new optimizer: is it noticed?")
def main(count: int, start: int, is_careless: bool) -> None:
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    train = _with_a_new_optimizer if is_careless else AdapterTrainer.train
    sys.exit(tally(_trials(count, start, train), ("killed", *STARTS, "alike")))


def _with_a_new_optimizer(trainer: AdapterTrainer, resume_from_checkpoint: str | None) -> None:
    trainer._load_optimizer_and_scheduler = lambda *_: None
    trainer.train(resume_from_checkpoint=resume_from_checkpoint)


def _trials(count: int, start: int, train: Callable[..., object]) -> Iterator[Trial]:
    runs = [whole_run(kind) for kind in KINDS[:count]]
    for number in range(count):
        yield from _told(trial(runs[number % len(runs)], start + number, train))


def _told(outcome: Outcome) -> Iterator[Trial]:
    killed = [moment for moment in outcome.moments if not moment.endswith(AFTER)]
    yield from (Trial(outcome.kind, "killed") for _ in killed)
    yield from (Trial(outcome.kind, name) for name in outcome.starts)
    again = f"{outcome.kind}, draw {outcome.seed}: {'; '.join(outcome.moments)}\n  {outcome.defect}"
    yield Trial(outcome.kind, "alike", again if outcome.defect else "")


if __name__ == "__main__":
    main()
