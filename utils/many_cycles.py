"""Adds, trains, saves, loads and deletes adapters in all compositions many times, and counts what is left in memory.

\b
    python utils/many_cycles.py --count 1000

It ends with 1 if memory grows, if anything is left in the model, or if its weights have changed by a bit.
"""

from __future__ import annotations

import logging
import sys
import time
import warnings
from pathlib import Path

import click


sys.path.insert(0, str(Path(__file__).parent.parent))

import torch

from tests_adapters.core.cycles import KINDS, cycles, growth, memory, model_of_cycles


WARM_UP = 4  # rounds in which caches are filled
STAGES = 10


@click.command(help=__doc__)
@click.option("--count", type=click.IntRange(1), default=1000, show_default=True, help="How many cycles.")
def main(count: int) -> None:
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    model = model_of_cycles()
    started = time.process_time()
    done = WARM_UP * len(KINDS)
    cycles(model, done)
    first, read = memory(), 0
    last = first
    click.echo(f"{done:>6} cycles, warm: {first}")
    for stage in range(1, STAGES + 1):
        end = max(done, count * stage // STAGES)
        read += cycles(model, end - done, done)
        done, last = end, memory()
        click.echo(f"{done:>6} cycles: {last}")
    click.echo(f"{last.blocks - first.blocks} blocks for {read} tensors that safetensors has read")
    click.echo(f"{time.process_time() - started:.0f} s of one core; weights of the model are the same to the last bit")
    if said := growth(first, last, done - WARM_UP * len(KINDS), read):
        click.echo(said, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
