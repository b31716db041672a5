"""How are two things timed against each other?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch


WARMING_UP = 3


def median_ratio(ours: Callable[[], object], other: Callable[[], object], rounds: int) -> float:
    """The median time of ours over that of the other, without gradients; the two take turns."""
    seconds: tuple[list[float], list[float]] = ([], [])
    with torch.no_grad():
        for round_ in range(rounds + WARMING_UP):
            for side, call in zip(seconds, (ours, other), strict=True):
                started = time.perf_counter()
                call()
                if round_ >= WARMING_UP:
                    side.append(time.perf_counter() - started)
    return statistics.median(seconds[0]) / statistics.median(seconds[1])
