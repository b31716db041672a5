"""How long do whole commands take? Each runs in a process of its own, in a copy of this project.

python benchmarks/add_model.py --rounds 5
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click


ROOT = Path(__file__).parents[1]
LEFT_OUT = (".git", ".venv*", ".demo", ".*_cache", "__pycache__", "_build")


def seconds(project: Path, *arguments: str) -> float:
    started = time.perf_counter()
    command = [sys.executable, "-m", "adaptergen", "-C", str(project), *arguments]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


@click.command()
@click.option("--model", default="gpt_neo", show_default=True)
@click.option("--rounds", default=5, show_default=True, help="Times that each command runs.")
def main(model: str, rounds: int) -> None:
    """The median of several runs of each command, in seconds."""
    taken: dict[str, list[float]] = {"--help": [], "remove-model": [], "add-model": [], "check": []}
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "project")
        shutil.copytree(ROOT, project, ignore=shutil.ignore_patterns(*LEFT_OUT))
        for _ in range(rounds):
            taken["--help"].append(seconds(project, "--help"))
            taken["remove-model"].append(seconds(project, "remove-model", model))
            taken["add-model"].append(seconds(project, "add-model", model, "--no-verify"))
            taken["check"].append(seconds(project, "check"))
    for command, times in taken.items():
        click.echo(f"{command:<14} {statistics.median(times):6.2f} s")


if __name__ == "__main__":
    main()
