"""Two processes that form one gloo group, as a launcher starts them."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from torch import distributed


R = TypeVar("R")
WORLD = 2
PATIENCE = timedelta(seconds=60)  # after which a process no longer waits for one that failed
PRELOADED = ["tests_adapters.core.trainer_setups"]


def in_two(work: Callable[..., R], *arguments: object) -> list[R]:
    """What `work(*arguments)` gives in each process of a group, by rank. Function and data cross over as pickles."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    port = _free_port()
    with ProcessPoolExecutor(WORLD, mp_context=context) as pool:
        ranks = [pool.submit(_ranked, rank, port, work, arguments) for rank in range(WORLD)]
        return [rank.result() for rank in ranks]


def environment(rank: int, port: int) -> dict[str, str]:
    """What a launcher tells a process."""
    told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": WORLD, "LOCAL_WORLD_SIZE": WORLD, "MASTER_PORT": port}
    return {"MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in told.items()}}


def _ranked(rank: int, port: int, work: Callable[..., R], arguments: tuple[object, ...]) -> R:
    os.environ |= environment(rank, port)
    with _group():
        return work(*arguments)


@contextmanager
def _group() -> Iterator[None]:
    distributed.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
