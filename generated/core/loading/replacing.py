"""
How do new files take the place of those that a folder holds? All of them do, or none, or the folder is refused.

    adapter.safetensors.….part    written beside the old file, as is the new description
    adapter_config.json           goes; from here on nobody takes the folder for a whole one
    adapter.safetensors           is replaced
    adapter_config.json           is the new one; from here on the folder is whole

A process may end anywhere in between. What is there already stays, also a description that says the same as before, if
nothing else is replaced; processes that save the same to one folder do not disturb each other.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class NewFiles:
    """
    What is written to `part` of each path before it comes to the path itself.

    Args:
        description: without which nothing else is read.
        former: a file that the weights are no longer in.
    """

    description: Path | None = None
    weights: Path | None = None
    former: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.description, self.weights) if path is not None)


HOUR = 3600.0  # seconds after which nobody is still writing what somebody has begun

_waiting: ContextVar[dict[Path, NewFiles] | None] = ContextVar("files that are saved together", default=None)


def part(path: Path) -> Path:
    """Where this thread writes a file, before it is whole."""
    return path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")


def remove_old_parts(path: Path) -> None:
    """What was written for this file an hour ago or more, by somebody who never came to an end."""
    for old in path.parent.glob(f"{path.name}.*.part"):
        if time.time() - old.stat().st_mtime > HOUR:
            old.unlink(missing_ok=True)


@contextmanager
def saved_together() -> Iterator[None]:
    """What is written takes its place in the end, and all of it; after an error nothing does."""
    if _waiting.get() is not None:
        yield
        return
    waiting: dict[Path, NewFiles] = {}
    token = _waiting.set(waiting)
    try:
        yield
    except BaseException:
        _discard(path for files in waiting.values() for path in files.paths)
        raise
    finally:
        _waiting.reset(token)
    _exchange(list(waiting.values()))


@contextmanager
def replacing(files: NewFiles, *, at_once: bool = False) -> Iterator[None]:
    """
    The parts of these files are written; then they take their place, or wait for what is saved together with them.

    Args:
        at_once: they wait for nothing.
    """
    try:
        yield
    except BaseException:
        _discard(files.paths)
        raise
    waiting = _waiting.get()
    if waiting is None or at_once:
        _exchange([files])
    else:
        earlier = waiting.pop(files.paths[0], None)  # the same, which somebody saves again, in another format
        _discard(set(earlier.paths) - set(files.paths) if earlier else ())
        waiting[files.paths[0]] = files


def _exchange(all_files: list[NewFiles]) -> None:
    there = [files for files in all_files if _is_there(files)]
    _discard(path for files in there for path in files.paths)
    new = [files for files in all_files if files not in there]
    described = [files.description for files in new if files.description is not None]
    for path in described:
        if not (len(new) == 1 and _is_the_same(path)):
            path.unlink(missing_ok=True)
    for files in new:
        if files.weights is not None:
            os.replace(part(files.weights), files.weights)
        if files.former is not None:
            files.former.unlink(missing_ok=True)
    for path in reversed(described):
        os.replace(part(path), path)
    for path in (path for files in all_files for path in files.paths):
        remove_old_parts(path)


def _is_there(files: NewFiles) -> bool:
    """Are all files what they are to be?"""
    return all(map(_is_the_same, files.paths)) and not (files.former and files.former.exists())


def _is_the_same(path: Path) -> bool:
    try:
        return path.stat().st_size == part(path).stat().st_size and _digest(path) == _digest(part(path))
    except FileNotFoundError:
        return False


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _discard(paths: Iterable[Path]) -> None:
    for path in paths:
        part(path).unlink(missing_ok=True)
