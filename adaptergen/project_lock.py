"""Who writes into a project? One process, by a lock of the system, which goes when its process does, however it ends.

The lock is on the folder of the project itself, so that it leaves no file behind.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


if sys.platform != "win32":
    import fcntl


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """
    Hold the lock for the time of a block of code, which gets whether there is one: Windows and some network file
    systems lock no folders.

    Raises:
        BlockingIOError: somebody else holds it.
    """
    descriptor = _opened(folder)
    if descriptor is None:
        yield False
        return
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


def _opened(folder: Path) -> int | None:
    """A descriptor that processes which are started meanwhile do not get."""
    if sys.platform == "win32":
        return None
    try:
        return os.open(folder, os.O_RDONLY)
    except OSError:
        return None


def _lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True
