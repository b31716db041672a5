"""How often is memory searched for cycles that nothing needs any more?

A parsed file is half a million objects, all of them needed until its architecture is done. Python's default looks
through them again and again, for a third of the time of an analysis.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


PYTHONS_OWN = gc.get_threshold()
NEW_OBJECTS = 500_000  # since the last search: of two or three architectures
RARELY = (NEW_OBJECTS, 3, 3)


def collect_rarely() -> None:
    """From now on, in this process."""
    gc.set_threshold(*RARELY)


@contextmanager
def collected_rarely() -> Iterator[None]:
    with _collected(*RARELY):
        yield


@contextmanager
def collected_as_usual() -> Iterator[None]:
    """Where models are run: few objects can hold much memory."""
    with _collected(*PYTHONS_OWN):
        yield


@cache
def collect_nothing_at_exit() -> None:
    """The memory of this process goes as a whole, where Python would look through all of it twice."""
    atexit.register(gc.freeze)


@contextmanager
def _collected(*threshold: int) -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*threshold)
    try:
        yield
    finally:
        gc.set_threshold(*before)
