"""Many files are written as one: staged first, then moved into place; whatever interrupts that is undone.

.adaptergen/new/…     the texts to come, written before anything in the tree changes
.adaptergen/old/…     the files that are replaced or deleted
.adaptergen/pid       the process that does it
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
        _take_back(root, staging)
        raise ProblemsFound(_not_written(error, root)) from error
    except BaseException:
        _take_back(root, staging)
        raise
    shutil.rmtree(staging, ignore_errors=True)


def recover(root: Path) -> None:
    """Take back what an interrupted run has left half-done.

    Raises:
        ProblemsFound: the tree cannot be written.
    """
    staging = root / STAGING
    if staging.is_dir() and not _is_alive(_owner(staging)):
        _take_back(root, staging)


def _claim(root: Path) -> Path:
    """The staging folder, made by this run alone."""
    staging = root / STAGING
    try:
        staging.mkdir()
        (staging / "pid").write_text(str(os.getpid()))
    except OSError as error:
        if isinstance(error, FileExistsError) and staging.is_dir():
            raise ProblemsFound(_busy(staging)) from error
        shutil.rmtree(staging, ignore_errors=True)
        raise ProblemsFound(_not_written(error, root)) from error
    return staging


def _busy(staging: Path) -> Problem:
    fix = f"wait for process {_owner(staging)} to finish; if that is no adaptergen, delete {staging / 'pid'}"
    return Problem("busy", "another adaptergen is writing into this project", Location(str(staging)), fix)


def _not_written(error: OSError, root: Path) -> Problem:
    reason = error.strerror or str(error)
    fix = "make the folder writable, or free some space, and run the command again"
    at = Location(str(error.filename2 or error.filename or root))
    return Problem("not-written", f"cannot be written: {reason}; nothing was changed", at, fix)


def _owner(staging: Path) -> int | None:
    """The process that made a staging folder, if that can be told."""
    try:
        return int((staging / "pid").read_text())
    except (OSError, ValueError):
        return None


def _is_alive(process: int | None) -> bool:
    """Whether a process other than this one has this number, which is soon given again in a container."""
    if process is None or process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except PermissionError:
        return True  # somebody else's
    except (OSError, OverflowError):
        return False
    return True


def _stage(root: Path, staging: Path, changes: ChangeSet) -> None:
    """Everything that moving and taking back need, and the journal last."""
    for change in changes:
        target, new, old = root / change.path, staging / "new" / change.path, staging / "old" / change.path
        if change.after is not None:
            _write(new, change.after)
        if change.before is not None:
            old.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(target, old, follow_symlinks=False)
        if change.after is not None and change.before is not None:
            shutil.copymode(target, new)
    files = [(change.path, change.before is not None) for change in changes]
    _write(staging / "journal.part", json.dumps({"files": files, "folders": _new_folders(root, changes)}))
    (staging / "journal.part").replace(staging / "journal")


def _new_folders(root: Path, changes: ChangeSet) -> list[str]:
    """The folders that moving will make, the deepest first."""
    parents = {parent for change in changes if change.after is not None for parent in Path(change.path).parents}
    missing = [parent.as_posix() for parent in parents if not (root / parent).exists()]
    return sorted(missing, key=lambda path: (-path.count("/"), path))


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
            _remove_upwards(target.parent, root)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            (staging / "new" / change.path).replace(target)
    (staging / "journal").unlink()


def _take_back(root: Path, staging: Path) -> None:
    """Undo an interrupted run. Once undone it is no harm if the staging folder stays: it has no journal."""
    try:
        _undo(root, staging)
    except OSError as error:
        message = f"an interrupted run cannot be taken back: {error.strerror or error}"
        fix = "make the folder writable, or free some space; the next command tries again"
        raise ProblemsFound(Problem("not-undone", message, Location(str(error.filename or root)), fix)) from error
    shutil.rmtree(staging, ignore_errors=True)


def _undo(root: Path, staging: Path) -> None:
    """Put every old file back and remove every new one; without a journal nothing had been moved.

    Files move, so that it needs no space, and can be interrupted and repeated.
    """
    journal = staging / "journal"
    if not journal.is_file():
        return
    told = json.loads(journal.read_text(encoding="utf-8"))
    for path, existed in told["files"]:
        target, new, old = root / path, staging / "new" / path, staging / "old" / path
        if existed and os.path.lexists(old):
            target.parent.mkdir(parents=True, exist_ok=True)
            old.replace(target)
        elif not existed and not new.exists():
            target.unlink(missing_ok=True)
    for folder in told["folders"]:
        _remove_if_empty(root / folder)
    journal.unlink()


def _remove_upwards(folder: Path, root: Path) -> None:
    """A folder that has become empty goes, and those above it that have become empty by that."""
    while folder != root and _remove_if_empty(folder):
        folder = folder.parent


def _remove_if_empty(folder: Path) -> bool:
    """Remove a folder that holds nothing, caches of Python aside; whether it was one."""
    if not folder.is_dir() or any(entry.name != "__pycache__" for entry in folder.iterdir()):
        return False
    shutil.rmtree(folder)
    return True
