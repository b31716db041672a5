"""How long does it take to look at one architecture, and does that grow with its file alone?

python benchmarks/survey.py --sample 40
"""

from __future__ import annotations

import random
import statistics
import time

import click

from adaptergen.surveying.analysing import survey_one
from adaptergen.upstream import Upstream, installed_transformers


def seconds(name: str, upstream: Upstream) -> float:
    """Of this process, whatever else runs on the machine."""
    started = time.process_time()
    survey_one(name, upstream, None)
    return time.process_time() - started


@click.command()
@click.option("--sample", default=40, show_default=True, help="How many architectures, chosen once and for all.")
@click.option("--slowest", default=5, show_default=True, help="How many of the slowest to name.")
def main(sample: int, slowest: int) -> None:
    """Processor seconds for each architecture, and for a thousand lines of its file."""
    upstream = installed_transformers()
    chosen = random.Random(0).sample(upstream.folders, min(sample, len(upstream.folders)))
    lines = {name: len(upstream.find(name).modeling.lines) for name in chosen}
    seconds(chosen[0], upstream)  # imports, and the auto mappings
    taken = {name: seconds(name, upstream) for name in chosen}
    per_line = {name: 1000 * taken[name] / lines[name] for name in chosen}
    click.echo(f"{'median':<34} {statistics.median(taken.values()):6.2f} s, a thousand lines {_spread(per_line)}")
    click.echo(f"{'all of them, on one core':<34} {sum(taken.values()) * len(upstream.folders) / len(chosen):6.0f} s")
    for name in sorted(chosen, key=taken.__getitem__, reverse=True)[:slowest]:
        click.echo(f"{name:<34} {taken[name]:6.2f} s, {lines[name]} lines, a thousand {per_line[name]:.2f} s")


def _spread(values: dict[str, float]) -> str:
    low, middle, high = statistics.quantiles(values.values(), n=4)
    return f"{middle:.2f} s (a quarter below {low:.2f} s, a quarter above {high:.2f} s)"


if __name__ == "__main__":
    main()
