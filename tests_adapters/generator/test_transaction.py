"""Is a change set written all or not at all, whatever interrupts it?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adaptergen import transaction
from adaptergen.changes import Change, ChangeSet
from adaptergen.problems import ProblemsFound
from adaptergen.settings import Settings
from adaptergen.workspace import Workspace
from tests_adapters.generator.trees import copied, fingerprint, write_all


OLD = {
    "edited.py": "1\n2\n",
    "folder/gone.txt": "gone\n",
    "folder/deep/gone.txt": "gone, too\n",
    "kept/edited.txt": "ü\r\n",
    "kept/same.txt": "same\n",
}
NEW = {
    "edited.py": "2\n3\n",
    "kept/edited.txt": "ö\r\n",
    "kept/new/new.txt": "new\n",
    "kept/same.txt": "same\n",
    "new/new.txt": "",
}
STEPS = ((Path, "mkdir"), (Path, "open"), (Path, "replace"), (Path, "unlink"), (shutil, "copy2"), (shutil, "copymode"))
NO_ACCESS, NO_SPACE = PermissionError(13, "Permission denied"), OSError(28, "No space left on device")


class Killed(BaseException):
    """As if the process ended here: nothing catches it."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write_all(tmp_path / "tree", OLD)
    (tmp_path / "tree/empty").mkdir()
    (tmp_path / "tree/edited.py").chmod(0o755)
    return tmp_path / "tree"


def changes(root: Path) -> ChangeSet:
    workspace = Workspace(root, Settings())
    return ChangeSet.of(*(workspace.change(path, NEW.get(path)) for path in {**OLD, **NEW}))


@contextmanager
def failing(number: int, error: BaseException) -> Iterator[list[str]]:
    """The step on the disk with this number raises; afterwards the disk is well again. Steps are listed."""
    reached: list[str] = []

    def stepping(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **more: Any) -> Any:
            reached.append(name)
            if len(reached) - 1 == number:
                raise error.with_traceback(None)
            return function(*arguments, **more)

        return step

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in STEPS:
            patch.setattr(owner, name, stepping(name, getattr(owner, name)))
        yield reached


def interrupted(
    tree: Path, error: BaseException, run: Callable[[Path], None]
) -> Iterator[tuple[Path, BaseException | None]]:
    """A copy of the tree for each step: there the step has failed, and this is what came out of the run."""
    for number in range(1000):
        copy = copied(tree, tree.with_name(f"copy{number}"))
        raised: BaseException | None = None
        with failing(number, error) as reached:
            try:
                run(copy)
            except (Killed, KeyboardInterrupt, ProblemsFound) as caught:
                raised = caught
        yield copy, raised
        if len(reached) <= number:
            return


def committing(tree: Path) -> Callable[[Path], None]:
    """What is read of the tree now, written into a copy of it."""
    todo = changes(tree)
    return lambda copy: transaction.commit(copy, todo)


def commit(tree: Path) -> None:
    transaction.commit(tree, changes(tree))


def test_all_is_written(tree: Path) -> None:
    commit(tree)

    assert texts(tree) == NEW
    assert not (tree / "folder").exists()
    assert (tree / "empty").is_dir()
    assert (tree / "edited.py").stat().st_mode & 0o777 == 0o755
    assert not (tree / ".adaptergen").exists()


def texts(tree: Path) -> dict[str, str]:
    return {path: (tree / path).read_bytes().decode() for path, digest in fingerprint(tree).items() if digest}


@pytest.mark.parametrize("error", [NO_ACCESS, NO_SPACE])
def test_an_error_at_any_step_changes_nothing(tree: Path, error: OSError) -> None:
    before, after = fingerprint(tree), written(tree)
    *failed, last = interrupted(tree, error, committing(tree))

    assert len(failed) > 20
    for copy, raised in failed:
        assert isinstance(raised, ProblemsFound)
        (problem,) = raised.problems
        assert problem.code == "not-written"
        assert problem.message == f"cannot be written: {error.strerror}; nothing was changed"
        assert fingerprint(copy) == before
    assert (fingerprint(last[0]), last[1]) == (after, None)


def test_ctrl_c_at_any_step_changes_nothing(tree: Path) -> None:
    before, after = fingerprint(tree), written(tree)
    *stopped, last = interrupted(tree, KeyboardInterrupt(), committing(tree))

    assert len(stopped) > 20
    for copy, raised in stopped:
        transaction.recover(copy)
        assert isinstance(raised, KeyboardInterrupt)
        assert fingerprint(copy) == before
    assert fingerprint(last[0]) == after


def test_after_death_at_any_step_the_next_run_gives_the_old_tree_back(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = fingerprint(tree), written(tree)
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "_take_back", lambda *_: None)
        *dead, last = interrupted(tree, Killed(), committing(tree))
    half = [copy for copy, _ in dead if not same(before, copy)]

    assert len(half) > 5
    for copy, raised in dead:
        transaction.recover(copy)
        assert isinstance(raised, Killed)
        assert fingerprint(copy) == before
    assert fingerprint(last[0]) == after


def same(state: dict[str, str], tree: Path) -> bool:
    """Whether a tree is in this state, staging aside."""
    return {path: digest for path, digest in fingerprint(tree).items() if not path.startswith(".adaptergen")} == state


def written(tree: Path) -> dict[str, str]:
    """The tree as it is once everything is in place."""
    copy = copied(tree, tree.with_name("written"))
    commit(copy)
    return fingerprint(copy)


def test_recovering_may_die_at_any_step_as_well(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(tree)
    half = copied(tree, tree.with_name("half"))
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "_take_back", lambda *_: None)
        patch.setattr(transaction, "_move", dies_after(transaction._move))
        with pytest.raises(Killed):
            commit(half)
    assert not same(before, half)

    *dead, last = interrupted(half, Killed(), transaction.recover)
    assert len(dead) > 10
    for copy, _ in (*dead, last):
        transaction.recover(copy)
        assert fingerprint(copy) == before


def dies_after(move: Callable[..., None]) -> Callable[..., None]:
    """All is moved, and the journal is still there."""

    def moved(root: Path, staging: Path, changes: ChangeSet) -> None:
        journal = (staging / "journal").read_text()
        move(root, staging, changes)
        (staging / "journal").write_text(journal)
        raise Killed

    return moved


def test_a_tree_that_cannot_be_taken_back_is_taken_back_later(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(tree)
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "_move", dies_after(transaction._move))
        patch.setattr(transaction, "_undo", refuse)
        with pytest.raises(ProblemsFound, match="an interrupted run cannot be taken back: Read-only file") as found:
            commit(tree)
    (problem,) = found.value.problems
    assert problem.code == "not-undone"
    assert problem.fix.endswith("the next command tries again")
    transaction.recover(tree)
    assert fingerprint(tree) == before


def refuse(*_: object) -> None:
    raise OSError(30, "Read-only file system")


def test_another_run_is_waited_for(tree: Path) -> None:
    """One that runs is left alone by everybody."""
    before = fingerprint(tree)
    write_all(tree, {".adaptergen/pid": str(os.getppid())})
    with pytest.raises(ProblemsFound, match="another adaptergen is writing into this project") as found:
        commit(tree)
    transaction.recover(tree)

    (problem,) = found.value.problems
    assert problem.code == "busy"
    assert problem.fix.startswith(f"wait for process {os.getppid()} to finish; if that is no adaptergen, delete ")
    assert (tree / ".adaptergen/pid").read_text() == str(os.getppid())
    shutil.rmtree(tree / ".adaptergen")
    assert fingerprint(tree) == before


OWNERS = {
    "none": "",
    "no number": "nonsense",
    "too large": "99999999999999999999",
    "gone": "4194305",
    "our own": str(os.getpid()),
}


@pytest.mark.parametrize("owner", OWNERS.values(), ids=OWNERS.keys())
def test_what_a_dead_run_left_is_tidied_up(tree: Path, owner: str) -> None:
    """Also if its number is no number, or our own, as it may be in a container."""
    before = fingerprint(tree)
    write_all(tree, {".adaptergen/pid": owner, ".adaptergen/new/edited.py": "half"})
    transaction.recover(tree)

    assert fingerprint(tree) == before


def test_a_run_of_somebody_else_is_alive(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_all(tree, {".adaptergen/pid": "1"})

    def forbidden(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", forbidden)
    transaction.recover(tree)
    assert (tree / ".adaptergen/pid").exists()


def test_a_file_in_the_place_of_the_staging_folder(tree: Path) -> None:
    write_all(tree, {".adaptergen": "mine"})
    before = fingerprint(tree)
    transaction.recover(tree)
    with pytest.raises(ProblemsFound, match="cannot be written: File exists; nothing was changed"):
        commit(tree)

    assert fingerprint(tree) == before


def test_a_file_that_changes_meanwhile_is_not_overwritten(tree: Path) -> None:
    todo = changes(tree)
    write_all(tree, {"kept/new/new.txt": "somebody else's\n", "edited.py": "also\n"})
    before = fingerprint(tree)
    with pytest.raises(ProblemsFound) as found:
        Workspace(tree, Settings()).apply(todo, force=True)

    assert [(problem.code, str(problem.at)) for problem in found.value.problems] == [
        ("changed", "edited.py"),
        ("changed", "kept/new/new.txt"),
    ]
    assert fingerprint(tree) == before


def test_a_change_that_changes_nothing_is_none(tree: Path) -> None:
    assert [(change.kind, change.path) for change in changes(tree)] == [
        ("update", "edited.py"),
        ("delete", "folder/deep/gone.txt"),
        ("delete", "folder/gone.txt"),
        ("update", "kept/edited.txt"),
        ("create", "kept/new/new.txt"),
        ("create", "new/new.txt"),
    ]
    assert not ChangeSet.of(Change("same", "text", "text"))
