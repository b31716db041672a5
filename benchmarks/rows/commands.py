"""How long do whole commands take, measured against what nobody could leave out?

Both sides are processes of their own that take turns. What counts is the time of the processor that they and their
children took, so that whatever else runs on the machine matters little.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.timing import Spread, ratio, spread


ROOT = Path(__file__).parents[2]
LEFT_OUT = (".git", ".venv*", ".demo", ".*_cache", "__pycache__", "_build")
SURVEYED, AT_ONCE = 80, 20  # architectures in all, the same ones each time, and in one run
CHECKS, IMPORTS = 0.3, 0.5  # of the rounds
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


def figures(bench: Bench) -> Iterator[Figure]:
    from adaptergen.upstream import installed_transformers
    from adaptergen.workspace import find_workspace

    yield add_model(find_workspace(ROOT).names())
    folders = installed_transformers().folders
    yield survey(sorted(random.Random(0).sample(folders, min(SURVEYED, len(folders)))))
    yield check(max(1, round(CHECKS * bench.rounds)))
    yield import_generated(max(1, round(IMPORTS * bench.rounds)))


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


def ratios(pairs: Sequence[Pair]) -> Spread:
    return ratio([pair.ours.processor for pair in pairs], [pair.floor.processor for pair in pairs])


def seconds(pairs: Sequence[Pair]) -> str:
    """The medians of both sides, told as seconds."""
    ours, floor = (
        statistics.median(taken.processor for taken in side)
        for side in zip(*((pair.ours, pair.floor) for pair in pairs), strict=True)
    )
    wall = statistics.median(pair.ours.wall for pair in pairs)
    return f"{ours:.2f} s against {floor:.2f} s of the processor, {wall:.2f} s on the clock; {len(pairs)} pairs"


def add_model(names: Sequence[str]) -> Figure:
    """Each model is taken out of a copy of the project, a repository of git as projects are, and added again."""
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "project")
        shutil.copytree(ROOT, project, ignore=shutil.ignore_patterns(*LEFT_OUT))
        git(project, "init", "--quiet")
        commit(project)
        for name in names:
            adaptergen("remove-model", name, folder=project)
            commit(project)
            floor = run(["-c", PARSES_AND_EMITS, str(modeling(name))])
            pairs.append(Pair(adaptergen("add-model", name, "--no-verify", folder=project), floor))
            git(project, "reset", "--quiet", "--hard")
            git(project, "clean", "--quiet", "--force", "-d")
            git(project, "reset", "--quiet", "--hard", "HEAD~1")
    against = "start Python, import libcst, parse and re-emit the same file"
    setting = f"{len(pairs)} models"
    return Figure("add-model --no-verify", setting, against, ratios(pairs), 2.0, note=seconds(pairs))


def git(project: Path, *arguments: str) -> None:
    me = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost")
    subprocess.run(["git", *me, *arguments], cwd=project, check=True, capture_output=True)


def commit(project: Path) -> None:
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "as it is")


def survey(names: Sequence[str]) -> Figure:
    """Runs over some architectures each, in one process; then one over all of them, as the time must grow."""
    parts = [names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE)]
    pairs = []
    for part in parts:
        floor = run(["-c", PARSES_AND_EMITS, *map(str, map(modeling, part))])
        pairs.append(Pair(adaptergen("survey", *part, "--jobs", "1", "--json", "-"), floor))
    against = "start Python, import libcst, parse and re-emit the same files"
    note = f"{seconds(pairs)}; {growth(pairs, parts)}"
    return Figure("survey", f"{AT_ONCE} architectures, one process", against, ratios(pairs), 2.5, note=note)


def growth(pairs: Sequence[Pair], parts: Sequence[Sequence[str]]) -> str:
    """What all parts took together in runs of their own, against one run over all of them."""
    names = [name for part in parts for name in part]
    alone, most = sum(pair.ours.processor for pair in pairs), max(pair.ours.memory for pair in pairs)
    together = adaptergen("survey", *names, "--jobs", "1", "--json", "-")
    return (
        f"{len(names)} files in one run {together.processor:.1f} s and {together.memory:.0f} MiB, "
        f"in {len(parts)} runs {alone:.1f} s and at most {most:.0f} MiB"
    )


def check(rounds: int) -> Figure:
    files = [str(ROOT / path) for path in committed_files()]
    pairs: list[Pair] = []
    walls: list[float] = []
    for _ in range(rounds):
        floor = run(["-c", READS_AND_HASHES, str(ROOT / "templates/_regions/exports.jinja"), *files])
        pairs.append(Pair(adaptergen("check", on_one_core=True), floor))
        walls.append(adaptergen("check").wall)
    against = "reading and hashing the same files plus one render"
    note = f"seconds on the clock, on all cores; on one {seconds(pairs)}"
    return Figure("check", "everything committed", against, spread(walls), 10.0, "s", note=note)


def committed_files() -> Iterator[str]:
    """What `check` answers for, and what it is made from."""
    from adaptergen.workspace import find_workspace

    workspace = find_workspace(ROOT)
    for name in workspace.names():
        yield from workspace.files_below(workspace.settings.model_folder(name))
        yield f"{workspace.settings.tests}/models/test_{name}.py"
        yield str(modeling(name))


def import_generated(rounds: int) -> Figure:
    run(["-c", f"{LIBRARIES}, generated"])  # what is imported for the first time is compiled, and read from the disk
    pairs = [Pair(run(["-c", f"{LIBRARIES}, generated"]), run(["-c", LIBRARIES])) for _ in range(rounds)]
    added = spread([pair.ours.processor - pair.floor.processor for pair in pairs])
    against = "import torch and transformers, seconds on top"
    return Figure("import generated", "one process", against, added, 0.3, "s", note=seconds(pairs))


def modeling(name: str) -> Path:
    from adaptergen.upstream import installed_transformers

    return installed_transformers().root / "models" / name / f"modeling_{name}.py"
