"""How long do whole commands take, measured against what nobody could leave out?

python benchmarks/commands.py
python benchmarks/commands.py --row add-model --names gpt_neo,bert --rounds 3
python benchmarks/commands.py --row survey --sample 0 --json   # of all architectures

Both sides are processes of their own that take turns. What counts is the time of the processor that they and their
children took, so that whatever else runs on the machine matters little.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import click


T = TypeVar("T")
ROOT = Path(__file__).parents[1]
LEFT_OUT = (".git", ".venv*", ".demo", ".*_cache", "__pycache__", "_build")
PARSES_AND_EMITS = """
import sys
import libcst
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        libcst.parse_module(file.read()).code
"""
READS_AND_HASHES = """
import hashlib, sys
import jinja2
for path in sys.argv[2:]:
    with open(path, "rb") as file:
        hashlib.sha256(file.read()).hexdigest()
with open(sys.argv[1], encoding="utf-8") as file:
    jinja2.Environment().parse(file.read())
"""
LIBRARIES = "import torch, transformers"


@dataclass(frozen=True)
class Row:
    """A line of the table: the median of a number of pairs, and between what the middle half of them lies."""

    what: str
    against: str
    goal: str
    unit: str
    median: float
    low: float
    high: float
    note: str


@dataclass(frozen=True)
class Taken:
    """What a process took: seconds, those of the processor with its children's, and the most MiB of memory."""

    processor: float
    wall: float
    memory: float


def run(arguments: Sequence[str], folder: Path = ROOT, *, on_one_core: bool = False) -> Taken:
    """Run Python in a process of its own, which finds compiled what it imports.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [*(["taskset", "--cpu-list", "0"] if on_one_core else []), sys.executable, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""}
    started = time.perf_counter()
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=told)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            told.seek(0)
            raise subprocess.CalledProcessError(process.returncode, command, stderr=told.read())
    return Taken(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024)


def adaptergen(*arguments: str, folder: Path = ROOT, on_one_core: bool = False) -> Taken:
    return run(["-m", "adaptergen", *arguments], folder, on_one_core=on_one_core)


@dataclass(frozen=True)
class Pair:
    ours: Taken
    floor: Taken

    @property
    def ratio(self) -> float:
        return self.ours.processor / self.floor.processor


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """(median, lower quartile, upper quartile)"""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, low, high


def seconds(pairs: Sequence[Pair]) -> str:
    """The medians of both sides, told as seconds."""
    ours, floor = (
        statistics.median(taken.processor for taken in side)
        for side in zip(*((pair.ours, pair.floor) for pair in pairs), strict=True)
    )
    wall = statistics.median(pair.ours.wall for pair in pairs)
    return f"{ours:.2f} s against {floor:.2f} s of the processor, {wall:.2f} s on the clock; {len(pairs)} pairs"


def add_model(names: Sequence[str], rounds: int) -> Row:
    """Each model is taken out of a copy of the project, a repository of git as projects are, and added again."""
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "project")
        shutil.copytree(ROOT, project, ignore=shutil.ignore_patterns(*LEFT_OUT))
        git(project, "init", "--quiet")
        commit(project)
        for name in shown(names, "add-model"):
            adaptergen("remove-model", name, folder=project)
            commit(project)
            for _ in range(rounds):
                floor = run(["-c", PARSES_AND_EMITS, str(modeling(name))])
                pairs.append(Pair(adaptergen("add-model", name, "--no-verify", folder=project), floor))
                git(project, "reset", "--quiet", "--hard")
                git(project, "clean", "--quiet", "--force", "-d")
            git(project, "reset", "--quiet", "--hard", "HEAD~1")
    against = "start Python, import libcst, parse and re-emit the same file"
    ratios = spread([pair.ratio for pair in pairs])
    return Row("`add-model NAME --no-verify`", against, "≤ 2.0 x", "x", *ratios, seconds(pairs))


def git(project: Path, *arguments: str) -> None:
    me = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost")
    subprocess.run(["git", *me, *arguments], cwd=project, check=True, capture_output=True)


def commit(project: Path) -> None:
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "as it is")


def survey(names: Sequence[str], size: int) -> Row:
    """Runs over `size` architectures each, in one process; then over ever more of them, as the time must grow."""
    parts = [names[start : start + size] for start in range(0, len(names), size)]
    pairs = []
    for part in shown(parts, "survey"):
        floor = run(["-c", PARSES_AND_EMITS, *map(str, map(modeling, part))])
        pairs.append(Pair(adaptergen("survey", *part, "--jobs", "1", "--json", "-"), floor))
    against = f"start Python, import libcst, parse and re-emit the same {size} files, one process each"
    note = f"{seconds(pairs)}; {growth(pairs, parts)}"
    return Row("`survey`", against, "≤ 2.5 x, linear in files", "x", *spread([pair.ratio for pair in pairs]), note)


def growth(pairs: Sequence[Pair], parts: Sequence[Sequence[str]]) -> str:
    """What all parts took together in runs of their own, against one run over all of them."""
    names = [name for part in parts for name in part]
    alone, most = sum(pair.ours.processor for pair in pairs), max(pair.ours.memory for pair in pairs)
    together = adaptergen("survey", *names, "--jobs", "1", "--json", "-")
    return (
        f"{len(names)} files in one run {together.processor:.1f} s and {together.memory:.0f} MiB, "
        f"in {len(parts)} runs {alone:.1f} s and at most {most:.0f} MiB"
    )


def check(rounds: int) -> Row:
    files = [str(ROOT / path) for path in committed_files()]
    pairs: list[Pair] = []
    walls: list[float] = []
    for _ in shown(range(rounds), "check"):
        floor = run(["-c", READS_AND_HASHES, str(ROOT / "templates/_regions/exports.jinja"), *files])
        pairs.append(Pair(adaptergen("check", on_one_core=True), floor))
        walls.append(adaptergen("check").wall)
    against = "reading and hashing the same files plus one render"
    note = f"on the clock, on all {os.cpu_count()} cores; on one core {seconds(pairs)}"
    return Row("`check` of everything committed", against, "under 10 s", "s", *spread(walls), note)


def committed_files() -> Iterator[str]:
    """What `check` answers for, and what it is made from."""
    from adaptergen.workspace import find_workspace

    workspace = find_workspace(ROOT)
    for name in workspace.names():
        yield from workspace.files_below(workspace.settings.model_folder(name))
        yield f"{workspace.settings.tests}/models/test_{name}.py"
        yield str(modeling(name))


def import_generated(rounds: int) -> Row:
    run(["-c", f"{LIBRARIES}, generated"])  # what is imported for the first time is compiled, and read from the disk
    pairs = [
        Pair(run(["-c", f"{LIBRARIES}, generated"]), run(["-c", LIBRARIES]))
        for _ in shown(range(rounds), "import generated")
    ]
    added = spread([pair.ours.processor - pair.floor.processor for pair in pairs])
    return Row(
        "`import generated`", "`import transformers` and `import torch`", "≤ +0.3 s", "s", *added, seconds(pairs)
    )


def modeling(name: str) -> Path:
    from adaptergen.upstream import installed_transformers

    return installed_transformers().root / "models" / name / f"modeling_{name}.py"


def shown(items: Sequence[T], label: str) -> Iterator[T]:
    for number, item in enumerate(items, 1):
        click.echo(f"{label} {number}/{len(items)}", err=True)
        yield item


def chosen(names: Sequence[str], sample: int) -> list[str]:
    """That many of them, the same ones each time; all for 0."""
    return sorted(random.Random(0).sample(names, sample)) if 0 < sample < len(names) else list(names)


ROWS = ("add-model", "survey", "check", "import")


@click.command()
@click.option("--row", "rows", type=click.Choice(ROWS), multiple=True, help="Only these.  [default: all]")
@click.option("--names", default="", help="The architectures of add-model and survey, with commas between them.")
@click.option("--sample", default=20, show_default=True, help="Else how many each takes of its own; 0: all.")
@click.option("--size", default=20, show_default=True, help="How many architectures a run of survey is over.")
@click.option("--rounds", default=3, show_default=True, help="Pairs of each model, of check, and of the imports.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def main(rows: tuple[str, ...], names: str, sample: int, size: int, rounds: int, as_json: bool) -> None:
    """Commands of adaptergen, and the import of the runtime, against what nobody could leave out."""
    from adaptergen.upstream import installed_transformers
    from adaptergen.workspace import find_workspace

    given = names.split(",") if names else []
    ways: dict[str, Callable[[], Row]] = {
        "add-model": lambda: add_model(given or chosen(find_workspace(ROOT).names(), sample), rounds),
        "survey": lambda: survey(given or chosen(installed_transformers().folders, sample), size),
        "check": lambda: check(rounds),
        "import": lambda: import_generated(rounds),
    }
    measured = [ways[row]() for row in rows or ROWS]
    if as_json:
        click.echo(json.dumps([asdict(row) for row in measured], indent=2, ensure_ascii=False))
        return
    for row in measured:
        click.echo(f"{row.what} against {row.against}: {row.median:.2f} {row.unit} (goal {row.goal})")
        click.echo(f"    the middle half between {row.low:.2f} and {row.high:.2f}; {row.note}")


if __name__ == "__main__":
    main()
