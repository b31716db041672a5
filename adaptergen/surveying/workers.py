"""How is every architecture looked at on all cores?"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

from adaptergen.surveying.analysing import survey_one, upstream_at, workspace_at
from adaptergen.surveying.record import Architecture
from adaptergen.upstream import Upstream
from adaptergen.workspace import Workspace


Context = multiprocessing.context.ForkServerContext | multiprocessing.context.SpawnContext


def surveyed(
    names: Sequence[str], upstream: Upstream, workspace: Workspace | None, jobs: int
) -> Iterator[Architecture]:
    """What these folders can take, in the order in which they are done."""
    look = partial(_survey_one, root=upstream.root, project=workspace.root if workspace else None)
    if jobs == 1 or len(names) == 1:
        yield from map(look, names)
        return
    with ProcessPoolExecutor(jobs, mp_context=context()) as pool:
        waiting = [pool.submit(look, name) for name in names]
        for done in as_completed(waiting):
            yield done.result()


def _survey_one(name: str, root: Path, project: Path | None) -> Architecture:
    return survey_one(name, upstream_at(root), workspace_at(project) if project else None)


def context(preloaded: Sequence[str] = ()) -> Context:
    """Processes that start from a clean one: a fork of this one would have its threads' locks.

    Args:
        preloaded: modules that the clean one imports, if this is the first call of this process.
    """
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    found = multiprocessing.get_context("forkserver")
    if preloaded:
        found.set_forkserver_preload(list(preloaded))
    return found


def cores() -> int:
    """How many of them this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
