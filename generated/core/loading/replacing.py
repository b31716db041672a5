"""
How do new files take the place of those that a folder holds? All of them do, or none, or the folder is refused.

    adapter.safetensors.part    written beside the old file, as is the new description
    adapter_config.json         goes; from here on nobody takes the folder for a whole one
    adapter.safetensors         is replaced
    adapter_config.json         is the new one; from here on the folder is whole

A process may end anywhere in between. Where the description says the same as before, it does not go.
"""

from __future__ import annotations

import os
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


_waiting: ContextVar[dict[Path, NewFiles] | None] = ContextVar("files that are saved together", default=None)


def part(path: Path) -> Path:
    """Where a file is written, before it is whole."""
    return path.with_name(f"{path.name}.part")


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
        earlier = waiting.pop(
            files.paths[0], None
        )  # the same thing, which somebody saves once more, in another format
        _discard(set(earlier.paths) - set(files.paths) if earlier else ())
        waiting[files.paths[0]] = files


def _exchange(all_files: list[NewFiles]) -> None:
    is_alone = len(all_files) == 1
    described = [files.description for files in all_files if files.description is not None]
    for path in described:
        if not (is_alone and path.is_file() and path.read_bytes() == part(path).read_bytes()):
            path.unlink(missing_ok=True)
    for files in all_files:
        if files.weights is not None:
            os.replace(part(files.weights), files.weights)
        if files.former is not None:
            files.former.unlink(missing_ok=True)
    for path in reversed(described):
        os.replace(part(path), path)


def _discard(paths: Iterable[Path]) -> None:
    for path in paths:
        part(path).unlink(missing_ok=True)
