"""Many files are written as one: staged first, then moved into place; whatever interrupts that is undone.

.adaptergen/new/…     the texts to come, written before anything in the tree changes
.adaptergen/old/…     the files that are replaced or deleted
.adaptergen/journal   its existence means "moving": the next run takes the tree back to what it was
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from adaptergen.changes import ChangeSet
from adaptergen.problems import Location, Problem, ProblemsFound


STAGING = ".adaptergen"


def commit(root: Path, changes: ChangeSet) -> None:
    """Apply all changes.

    Raises:
        ProblemsFound: the tree cannot be written, or another run is writing; nothing has changed.
    """
    staging = _claim(root)
    try:
        _stage(root, staging, changes)
        _move(root, staging, changes)
    except OSError as error:
        _undo(root, staging)
        at = Location(str(error.filename or root))
        reason = error.strerror or str(error)
        fix = "make the folder writable, or free some space, and run the command again"
        raise ProblemsFound(
            Problem("not-written", f"cannot be written: {reason}; nothing was changed", at, fix)
        ) from error
    except BaseException:
        _undo(root, staging)
        raise
    shutil.rmtree(staging)


def recover(root: Path) -> None:
    """Take back what an interrupted run has left half-done."""
    staging = root / STAGING
    if staging.is_dir() and not _is_alive(staging):
        _undo(root, staging)


def _claim(root: Path) -> Path:
    """The staging folder, made by this run alone."""
    staging = root / STAGING
    try:
        staging.mkdir()
        (staging / "pid").write_text(str(os.getpid()))
    except FileExistsError as error:
        message = "another adaptergen is writing into this project"
        raise ProblemsFound(Problem("busy", message, Location(str(staging)), "wait for it to finish")) from error
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        message = f"the project cannot be written: {error.strerror or error}; nothing was changed"
        raise ProblemsFound(Problem("not-written", message, Location(str(root)))) from error
    return staging


def _is_alive(staging: Path) -> bool:
    try:
        os.kill(int((staging / "pid").read_text()), 0)
    except (OSError, ValueError):
        return False
    return True


def _stage(root: Path, staging: Path, changes: ChangeSet) -> None:
    for change in changes:
        if change.after is not None:
            _write(staging / "new" / change.path, change.after)
        if change.before is not None:
            backup = staging / "old" / change.path
            backup.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / change.path, backup)
    entries = [[change.path, change.before is not None] for change in changes]
    _write(staging / "journal.part", json.dumps(entries))
    (staging / "journal.part").replace(staging / "journal")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _move(root: Path, staging: Path, changes: ChangeSet) -> None:
    for change in changes:
        target = root / change.path
        if change.after is None:
            target.unlink()
            _remove_empty(target.parent, root)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            (staging / "new" / change.path).replace(target)
    (staging / "journal").unlink()


def _undo(root: Path, staging: Path) -> None:
    """Put every replaced file back and remove every new one; without a journal nothing had been moved."""
    journal = staging / "journal"
    if journal.is_file():
        for path, existed in json.loads(journal.read_text()):
            target = root / path
            if existed:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(staging / "old" / path, target)
            elif target.exists() and not (staging / "new" / path).exists():
                target.unlink()
                _remove_empty(target.parent, root)
    shutil.rmtree(staging, ignore_errors=True)


def _remove_empty(folder: Path, root: Path) -> None:
    """Folders that have become empty go, caches of Python aside."""
    while folder != root and not any(entry.name != "__pycache__" for entry in folder.iterdir()):
        shutil.rmtree(folder)
        folder = folder.parent
