"""How is work shared between all cores, in processes that start from a clean one?"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

from adaptergen.garbage import collect_rarely


T = TypeVar("T")
R = TypeVar("R")
Context = multiprocessing.context.ForkServerContext | multiprocessing.context.SpawnContext


def shared_out(work: Callable[[T], R], items: Sequence[T], jobs: int) -> Iterator[R]:
    """
    What becomes of the items, in the order in which they are done; in this process if one job is enough. Whatever ends
    it early, Ctrl-C too, leaves what has not begun undone.
    """
    if jobs == 1 or len(items) < 2:
        yield from map(work, items)
        return
    with ProcessPoolExecutor(jobs, mp_context=context(), initializer=_begin) as pool:
        try:
            for done in as_completed([pool.submit(work, item) for item in items]):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _begin() -> None:
    collect_rarely()
    _live_for_parent()


def _live_for_parent() -> None:
    """A terminal sends Ctrl-C to all processes, and each would print a traceback; and who is killed ends nobody."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


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
