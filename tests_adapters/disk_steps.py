"""The changes that a process makes to the disk, one by one, so that it can be ended before any of them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path


CHANGING = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.utime", "os.truncate", "os.link")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def count(folder: Path, at_step: Callable[[int], object]) -> None:
    """From now on, tell of each change to the disk in the folder before it is made."""
    step = 0

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal step
        is_change = event in CHANGING or (event == "open" and bool(_flags(arguments) & WRITING))
        if is_change and _is_below(arguments[0], folder):
            step += 1
            at_step(step)

    sys.addaudithook(audit)


def noted_in(file: Path) -> Callable[[int], object]:
    """The last step there was is in the file."""
    return lambda step: file.write_text(str(step))


def killed_after(process: int, seconds: float) -> int:
    """Kill a process at a time; the status that it ended with, as it may have come to its end before."""
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    return os.waitpid(process, 0)[1]


def dies_at(number: int) -> Callable[[int], None]:
    def at_step(step: int) -> None:
        if step == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return at_step


def _flags(arguments: tuple[object, ...]) -> int:
    return arguments[2] if isinstance(arguments[2], int) else 0


def _is_below(path: object, folder: Path) -> bool:
    """Paths without a folder are those of a tree that is being removed."""
    return isinstance(path, str | os.PathLike) and (not os.path.isabs(path) or Path(path).is_relative_to(folder))
