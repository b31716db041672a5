"""Kill a command at some moment, and judge what the next one finds: the tree as it was, or as it was to be.

A moment is a time, or a number of changes to the disk. Commands run in forks of this process, which has imported
everything, so that hundreds of them are cheap; it must have one thread.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from adaptergen.cli import main
from tests_adapters import disk_steps
from tests_adapters.generator.projects import two_models
from tests_adapters.generator.trees import copied, fingerprint, make_project


STAGING = ".adaptergen"


@dataclass(frozen=True)
class Scene:
    """
    A command and the project that it changes.

    Args:
        before: the project, to be copied and not to be changed.
        after: the state of the project when nobody has interrupted the command.
        seconds: how long it takes.
        steps: how many changes to the disk.
    """

    command: tuple[str, ...]
    before: Path
    after: dict[str, str]
    seconds: float
    steps: int


@dataclass(frozen=True)
class Outcome:
    """
    Args:
        left: what the killed command left: "as before", "staged", "half-written" or "as after".
        defect: what must not be, or "".
    """

    command: tuple[str, ...]
    seed: int
    moment: str
    left: str
    defect: str = ""


@contextmanager
def scenes() -> Iterator[list[Scene]]:
    """A model is added beside another one; and both follow another transformers."""
    with _folder() as folder:
        two_models(folder / "site")
        other = two_models(folder / "other").root
        for path in other.glob("models/*case/modeling_*.py"):
            path.write_text(path.read_text().replace("residual", "shortcut"))
        sys.path.insert(0, str(folder / "site"))
        try:
            one = _changed_by(make_project(folder / "empty"), "add-model", "case", "--no-verify")
            add = _scene(one, "add-model", "my_case", "--no-verify")
            two = _changed_by(one, "add-model", "my_case", "--no-verify")
            yield [add, _scene(two, "update", "--all", "--no-verify", "--source-tree", str(other))]
        finally:
            sys.path.remove(str(folder / "site"))


@contextmanager
def _folder() -> Iterator[Path]:
    """In memory if that can be: what is written is there for other processes at once, and no disk is waited for."""
    in_memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=in_memory if in_memory.is_dir() else None) as name:
        yield Path(name).resolve()


def _changed_by(project: Path, *command: str) -> Path:
    copy = copied(project, project.with_name(f"{project.name}-{command[0]}"))
    said = _run(copy, command)
    assert said == "", said
    return copy


def _scene(before: Path, *command: str) -> Scene:
    with _trial_folder(before) as project:
        counter = project.parent / "steps"
        started = time.monotonic()
        process = _forked(project, command, lambda: disk_steps.count(project, disk_steps.noted_in(counter)))
        assert _ended(process, project) == ""
        seconds = time.monotonic() - started
        steps = int(counter.read_text())
        after = fingerprint(project)
    assert after != fingerprint(before)
    return Scene(command, before, after, seconds, steps)


def trial(scene: Scene, seed: int) -> Outcome:
    """Kill the command at a moment that the seed draws, and perhaps the one that takes it back, too."""
    draw = random.Random(seed)
    with _trial_folder(scene.before) as project:
        before = fingerprint(project)
        moment = _killed(scene, project, draw)
        left = _left(before, scene.after, project)
        if draw.random() < 0.5:
            step = draw.randint(1, scene.steps)
            process = _forked(project, ("list",), lambda: disk_steps.count(project, disk_steps.dies_at(step)))
            os.waitpid(process, 0)
            moment += f", and again at step {step} of taking it back"
        defect = _defect(scene, project, before)
    return Outcome(scene.command, seed, moment, left, defect)


def _killed(scene: Scene, project: Path, draw: random.Random) -> str:
    """Half of all moments are steps, since most of the time a command reads and thinks."""
    if draw.random() < 0.5:
        step = draw.randint(1, scene.steps)
        os.waitpid(_forked(project, scene.command, lambda: disk_steps.count(project, disk_steps.dies_at(step))), 0)
        return f"step {step} of {scene.steps}"
    seconds = draw.uniform(0, scene.seconds)
    disk_steps.killed_after(_forked(project, scene.command), seconds)
    return f"{seconds:.3f} of {scene.seconds:.3f} seconds"


def _left(before: dict[str, str], after: dict[str, str], project: Path) -> str:
    found = {path: digest for path, digest in fingerprint(project).items() if path.partition("/")[0] != STAGING}
    if found == before:
        return "staged" if (project / STAGING).exists() else "as before"
    return "as after" if found == after else "half-written"


def _defect(scene: Scene, project: Path, before: dict[str, str]) -> str:
    """What the next commands do that they must not do."""
    if said := _run(project, ("list",)):
        return f"the next command says: {said}"
    if fingerprint(project) not in (before, scene.after):
        return "the next command leaves the tree half-written"
    if said := _run(project, scene.command):
        return f"the same command says: {said}"
    return "" if fingerprint(project) == scene.after else "the same command does not end where it would have ended"


@contextmanager
def _trial_folder(project: Path) -> Iterator[Path]:
    with _folder() as folder:
        yield copied(project, folder / "project")


def _run(project: Path, command: tuple[str, ...]) -> str:
    """What a command has to complain about."""
    return _ended(_forked(project, command), project)


def _ended(process: int, project: Path) -> str:
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    said = project.with_name("stderr").read_text()
    return said or (f"it ends with {code}" if code else "")


def _forked(project: Path, command: tuple[str, ...], prepare: Callable[[], object] = lambda: None) -> int:
    """The number of a process that runs a command; what it complains about is in a file beside the project."""
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(project.with_name(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        prepare()
        main(["-C", str(project), *command], prog_name="adaptergen")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
