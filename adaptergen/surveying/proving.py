"""How is each architecture run in a process of its own, within limits of time and memory?

The processes are forks of one that has imported torch and the checks, so that each starts at once.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from adaptergen.processes import context
from adaptergen.surveying.judging import Proof


if TYPE_CHECKING:
    from adaptergen.plan import IntegrationPlan
    from adaptergen.verify.proof import Outcome


GIB = 2**30
PRELOADED = ("adaptergen.verify.proof", "adaptergen.pipeline", "adaptergen.provider")


class Limits(Struct, frozen=True):
    """
    Args:
        seconds: that one architecture may take.
        gib: of address space that its process may have.
    """

    seconds: float
    gib: float


class Running(Struct):
    """A process that runs one architecture, and what it has told until now."""

    name: str
    process: BaseProcess
    pipe: Connection
    deadline: float
    told: list[Outcome] = []
    is_complete: bool = False

    def read(self) -> bool:
        """Take in what has been told; whether there may be more to come."""
        try:
            while self.pipe.poll():
                outcome = self.pipe.recv()
                if outcome is None:
                    self.is_complete = True
                    return False
                self.told.append(outcome)
        except (EOFError, OSError):
            return False
        return True

    def ended(self, limits: Limits) -> Proof:
        """The proof of a process that has told everything, died, or has to be stopped."""
        in_time = self.is_complete or time.monotonic() < self.deadline
        if not in_time:
            self.process.kill()
        self.process.join()
        self.pipe.close()
        if self.is_complete:
            return Proof(self.told)
        if not in_time:
            return Proof(self.told, f"was not run to the end in {limits.seconds:g} s")
        return Proof(self.told, f"ended with exit code {self.process.exitcode} while it was run")


def preload() -> None:
    """Before any other process is started: let them all start from one that has imported what proofs need."""
    context(PRELOADED)


def proofs(names: Sequence[str], jobs: int, limits: Limits, project: Path | None) -> Iterator[tuple[str, Proof]]:
    """
    Run these architectures, and tell of each as soon as it is done.

    Args:
        project: whose generated package has some of them, if there is one; the others are generated in memory.
    """
    waiting = list(reversed(names))
    running: list[Running] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_started(waiting.pop(), limits, project))
            for each in _which_ended(running):
                running.remove(each)
                yield each.name, each.ended(limits)
    finally:
        for each in running:
            each.process.kill()


def _started(name: str, limits: Limits, project: Path | None) -> Running:
    processes = context()
    ours, theirs = processes.Pipe(duplex=False)
    process = processes.Process(target=_run, args=(name, theirs, limits, project), daemon=True)
    process.start()
    theirs.close()
    return Running(name, process, ours, time.monotonic() + limits.seconds)


def _which_ended(running: Sequence[Running]) -> list[Running]:
    """Wait until something is told, and see which processes are done, dead or late."""
    first = min(each.deadline for each in running)
    wait([each.pipe for each in running], timeout=max(0.0, first - time.monotonic()))
    return [each for each in running if not each.read() or time.monotonic() >= each.deadline]


def _run(name: str, pipe: Connection, limits: Limits, project: Path | None) -> None:
    """In the process: nothing but outcomes leaves it."""
    _limit_memory(limits.gib)
    _silence()
    from adaptergen.verify.proof import Outcome, outcomes_of

    try:
        plan, package = _importable(name, project)
    except Exception as error:
        pipe.send(Outcome("", "its package cannot be made", f"{type(error).__name__}: {error}"))
    else:
        for outcome in outcomes_of(plan, package):
            pipe.send(outcome)
    pipe.send(None)


def _limit_memory(gib: float) -> None:
    """Where the platform has such limits."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (int(gib * GIB), int(gib * GIB)))


def _silence() -> None:
    """Whatever libraries print goes nowhere."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _importable(name: str, project: Path | None) -> tuple[IntegrationPlan, str]:
    """The plan of an architecture, and the package that has it: that of the project, or one made in memory."""
    from adaptergen.provider import provided
    from adaptergen.settings import Settings
    from adaptergen.workspace import find_workspace

    if project is not None:
        sys.path.insert(0, str(project))
        workspace = find_workspace(project)
        plan = workspace.plan(name)
        if plan is not None:
            return plan, workspace.settings.package
    plan, folder = provided(name)
    package = Settings().package
    importlib.import_module(f"{package}.core.providers").add_package(folder)
    return plan, package
