"""How are things timed against each other? In turns, so that what else happens on a machine happens to all of them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import TypeVar

import torch


SAMPLE = 0.02  # seconds that a sample takes at least: what is faster is called several times
WARMING_UP = 3

Side = TypeVar("Side")
Timed = Callable[[], float]  # does its work, and says how many seconds a call took


def seconds() -> float:
    """Of this process alone on a CPU, whatever else runs there; where an accelerator works, of the clock."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def timed(call: Callable[[], object]) -> Timed:
    """Warm it up, and find out how often it has to be called for one sample."""
    for _ in range(WARMING_UP):
        call()
    repeats = 1
    while (taken := _sample(call, repeats)) < SAMPLE:
        repeats = max(repeats + 1, min(2 * repeats, int(repeats * SAMPLE / max(taken, 1e-9)) + 1))
    return lambda: _sample(call, repeats) / repeats


def once(call: Callable[[], object]) -> float:
    """For what cannot be done twice."""
    return _sample(call, 1)


def _sample(call: Callable[[], object], repeats: int) -> float:
    gc.collect(0)
    gc.disable()
    started = seconds()
    for _ in range(repeats):
        call()
    taken = seconds() - started
    gc.enable()
    return taken


def turns(sides: Mapping[str, Timed], rounds: int) -> dict[str, list[float]]:
    """The seconds of each side in each round. Every other round goes backwards, so that no side is always first."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for round_ in range(rounds):
        for name in back_and_forth(sides, round_):
            taken[name].append(sides[name]())
    return taken


def back_and_forth(sides: Iterable[Side], round_: int) -> list[Side]:
    """Every other round begins with the last one."""
    return [*sides][:: 1 if round_ % 2 == 0 else -1]


def alternating(several: Iterable[Timed]) -> Timed:
    """One of them in each turn."""
    next_one = cycle(several).__next__
    return lambda: next_one()()


@dataclass(frozen=True)
class Spread:
    """The middle of several values, and the quartiles around it."""

    median: float
    low: float
    high: float


def spread(values: list[float]) -> Spread:
    if len(values) < 2:
        return Spread(*values * 3)
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


def ratio(ours: list[float], other: list[float]) -> Spread:
    """How much more each of ours is than its partner of the same round."""
    return spread([one / two for one, two in zip(ours, other, strict=True)])


def overhead(ours: Spread, peer: Spread) -> Spread:
    """What ours adds to what both are compared with, as a part of what a peer adds."""
    added = peer.median - 1
    return Spread(*((value - 1) / added for value in (ours.median, ours.low, ours.high)))
