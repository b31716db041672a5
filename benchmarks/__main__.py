"""What adapters cost: ratios, ours against upstream's own and against peers.

\b
    python -m benchmarks                              # all rows
    python -m benchmarks forward --size tiny          # some of them
    python -m benchmarks serving --write              # and keep what was measured

Figures are shown as they come. Times mean something on a machine that does nothing else.
"""

from __future__ import annotations

import importlib
import json
import logging
import warnings
from dataclasses import asdict
from pathlib import Path

import click
import torch

from benchmarks import report
from benchmarks.bench import Bench
from benchmarks.figures import Figure, line
from benchmarks.models import MODELS, SIZES
from benchmarks.peer import Peer


ROWS = ("forward", "training", "generation", "serving", "compiling", "commands")


@click.command(help=__doc__)
@click.argument("rows", nargs=-1, type=click.Choice(ROWS))
@click.option("--rounds", default=15, show_default=True, help="Turns of each side.")
@click.option("--model", "models", multiple=True, type=click.Choice(MODELS), default=MODELS, help="Only these.")
@click.option(
    "--size", "sizes", multiple=True, type=click.Choice([*SIZES]), default=[*SIZES], help="Only these sizes."
)
@click.option(
    "--peer-python",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Interpreter of an environment with the library `adapters`; without it, that peer is left out.",
)
@click.option("--write", is_flag=True, help="Keep the figures, and write the table and the plot anew.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def main(
    rows: tuple[str, ...],
    rounds: int,
    models: tuple[str, ...],
    sizes: tuple[str, ...],
    peer_python: Path | None,
    write: bool,
    as_json: bool,
) -> None:
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    bench = Bench(rounds, models, sizes, None if peer_python is None else Peer(peer_python.absolute()))
    found: list[Figure] = []
    for row in rows or ROWS:
        for figure in importlib.import_module(f"benchmarks.rows.{row}").figures(bench):
            found.append(figure)
            click.echo(line(figure), err=as_json)
        if write:
            report.write(found)  # as far as it has come: it takes long
    if as_json:
        click.echo(json.dumps([asdict(figure) for figure in found], indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
