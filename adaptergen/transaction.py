"""Many files are written as one: staged first, then moved into place; whatever interrupts that is undone.

.adaptergen/new/…     the texts to come, written before anything in the tree changes
.adaptergen/old/…     the files that are replaced or deleted
.adaptergen/pid       the process that does it
.adaptergen/journal   its existence means "moving": the next run takes the tree back to what it was

Who writes holds the lock of the project: where nobody does, a staging folder was left by a run that was killed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from adaptergen.changes import Change, ChangeSet
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.project_lock import locked


STAGING = ".adaptergen"


def commit(root: Path, changes: ChangeSet) -> None:
    """Apply all changes.

    Raises:
        ProblemsFound: the tree cannot be written, another run is writing, or a file is no longer what it was when the
            change was made; nothing has changed.
    """
    with _alone(root) as staging:
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
    """Take back what an interrupted run has left half-done; a run that is writing is left alone.

    Raises:
        ProblemsFound: the tree cannot be written, or what is there was not left by a run.
    """
    staging = root / STAGING
    if not _is_left(staging):
        return
    try:
        with locked(root) as is_locked:
            if is_locked or not _is_alive(_owner(staging)):
                _take_back(root, staging)
    except BlockingIOError:
        return


def refuse_half_written(root: Path) -> None:
    """For who reads what files say together: not while another run moves them.

    Raises:
        ProblemsFound: it does.
    """
    recover(root)
    if _is_left(root / STAGING):
        raise ProblemsFound(_busy(root / STAGING, is_certain=True))


def changed_meanwhile(path: str) -> Problem:
    return Problem("changed", "changed while adaptergen was running", Location(path), "run the command again")


@contextmanager
def _alone(root: Path) -> Iterator[Path]:
    """The staging folder, made by this run alone, for as long as nobody else writes."""
    staging = root / STAGING
    try:
        with locked(root) as is_locked:
            if _is_left(staging):
                if not is_locked and _is_alive(_owner(staging)):
                    raise ProblemsFound(_busy(staging, is_certain=False))
                _take_back(root, staging)
            _make(root, staging)
            yield staging
    except BlockingIOError as error:
        raise ProblemsFound(_busy(staging, is_certain=True)) from error


def _is_left(staging: Path) -> bool:
    """A link is none of ours: what it leads to is not to be moved or deleted."""
    return staging.is_dir() and not staging.is_symlink()


def _make(root: Path, staging: Path) -> None:
    try:
        staging.mkdir()
    except OSError as error:
        raise ProblemsFound(_not_written(error, root)) from error
    try:
        (staging / "pid").write_text(str(os.getpid()))
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise ProblemsFound(_not_written(error, root)) from error


def _busy(staging: Path, *, is_certain: bool) -> Problem:
    """Without locks a number of a process is all that is known, and may have been given to another one."""
    owner = _owner(staging)
    fix = f"wait for process {owner} to finish" if owner else "wait until it has finished"
    otherwise = "" if is_certain else f"; if that is no adaptergen, delete {staging / 'pid'}"
    message = "another adaptergen is writing into this project"
    return Problem("busy", message, Location(str(staging)), fix + otherwise)


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
    changed = [change for change in changes if not _is_planned_for(change, root, staging / "old" / change.path)]
    if changed:
        raise ProblemsFound(*(changed_meanwhile(change.path) for change in changed))
    _sync(staging / "new" / change.path for change in changes if change.after is not None)
    files = [(change.path, change.kind) for change in changes]
    _write(staging / "journal.part", json.dumps({"files": files, "folders": _new_folders(root, changes)}))
    _sync([staging / "journal.part"])
    (staging / "journal.part").replace(staging / "journal")


def _is_planned_for(change: Change, root: Path, old: Path) -> bool:
    """Whether what was found is what the change was made from."""
    if change.before is None:
        return not os.path.lexists(root / change.path)
    found = root / change.path if old.is_symlink() else old
    return found.read_bytes() == change.before.encode()


def _is_as_found(target: Path, old: Path) -> bool:
    """Whether nobody has written the file since it was copied with its time."""
    if not os.path.lexists(old):
        return not os.path.lexists(target)
    now, then = target.lstat(), old.lstat()
    return (now.st_mtime_ns, now.st_size) == (then.st_mtime_ns, then.st_size)


def _new_folders(root: Path, changes: ChangeSet) -> list[str]:
    """The folders that moving will make, the deepest first."""
    parents = {parent for change in changes if change.after is not None for parent in Path(change.path).parents}
    missing = [parent.as_posix() for parent in parents if not (root / parent).exists()]
    return sorted(missing, key=lambda path: (-path.count("/"), path))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)


def _sync(paths: Iterable[Path]) -> None:
    """These files are on the disk; after all are written, so that the system can write them together."""
    for path in paths:
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _move(root: Path, staging: Path, changes: ChangeSet) -> None:
    for change in changes:
        target = root / change.path
        if not _is_as_found(target, staging / "old" / change.path):
            raise ProblemsFound(changed_meanwhile(change.path))
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

    Files move, so that it needs no space, and can be interrupted and repeated. A file that had not been moved is left
    as it is, whoever wrote it.
    """
    journal = staging / "journal"
    if not journal.is_file():
        return
    told = _read(journal, root)
    for path, kind in told.files:
        _undo_one(root / path, staging / "new" / path, staging / "old" / path, kind)
    for folder in told.folders:
        _remove_if_empty(root / folder)
    journal.unlink()


def _undo_one(target: Path, new: Path, old: Path, kind: str) -> None:
    is_moved = not os.path.lexists(target if kind == "delete" else new)
    if kind == "create" and is_moved:
        target.unlink(missing_ok=True)
    elif is_moved and os.path.lexists(old):
        target.parent.mkdir(parents=True, exist_ok=True)
        old.replace(target)


class _Journal(NamedTuple):
    files: list[tuple[str, str]]  # path and kind of each change
    folders: list[str]  # that were made, the deepest first


def _read(journal: Path, root: Path) -> _Journal:
    """A journal, which somebody else may have put there: it has no say on files outside of the tree.

    Raises:
        ProblemsFound: it is not one that a run has written.
    """
    try:
        told = json.loads(journal.read_text(encoding="utf-8"))
        read = _Journal([(path, kind) for path, kind in told["files"]], [*told["folders"]])
        is_sound = all(_is_inside(path, root) for path in (*(path for path, _ in read.files), *read.folders))
    except (ValueError, TypeError, KeyError):  # no text, no JSON, or something else in it
        is_sound = False
    if not is_sound:
        message = "is not a journal that adaptergen has written into this project; nothing was touched"
        fix = f"delete the folder {journal.parent}"
        raise ProblemsFound(Problem("not-undone", message, Location(str(journal)), fix))
    return read


def _is_inside(path: str, root: Path) -> bool:
    pure = PurePosixPath(path)
    is_plain = not pure.is_absolute() and bool(pure.parts) and not {"..", STAGING, ".git"} & {*pure.parts}
    return is_plain and (root / path).parent.resolve().is_relative_to(root.resolve())


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
