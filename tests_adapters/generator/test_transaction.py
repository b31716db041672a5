"""Is a change set written all or not at all, whatever interrupts it?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adaptergen import project_lock, transaction
from adaptergen.changes import Change, ChangeSet
from adaptergen.problems import Problem, ProblemsFound
from adaptergen.project_lock import locked
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


@contextmanager
def written_by_another(tree: Path, monkeypatch: pytest.MonkeyPatch, has_locks: bool) -> Iterator[None]:
    """Another process is in the middle of writing; not all systems have locks by which that is certain."""
    write_all(tree, {".adaptergen/pid": str(os.getppid())})
    with monkeypatch.context() as patch:
        if has_locks:
            with locked(tree) as is_locked:
                assert is_locked
                yield
        else:
            patch.setattr(project_lock, "_opened", lambda _: None)
            yield


@pytest.mark.parametrize("has_locks", [True, False])
def test_another_run_is_waited_for(tree: Path, monkeypatch: pytest.MonkeyPatch, has_locks: bool) -> None:
    """One that runs is left alone by everybody."""
    before = fingerprint(tree)
    with written_by_another(tree, monkeypatch, has_locks):
        transaction.recover(tree)
        for attempt in (commit, transaction.refuse_half_written):
            with pytest.raises(ProblemsFound, match="another adaptergen is writing into this project") as found:
                attempt(tree)
            (problem,) = found.value.problems
            assert problem.code == "busy"
            assert problem.fix.startswith(f"wait for process {os.getppid()} to finish")
        assert (tree / ".adaptergen/pid").read_text() == str(os.getppid())
    shutil.rmtree(tree / ".adaptergen")
    assert fingerprint(tree) == before


def test_without_locks_a_number_may_have_been_given_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with written_by_another(tree, monkeypatch, has_locks=False), pytest.raises(ProblemsFound) as found:
        commit(tree)

    assert found.value.problems[0].fix.endswith(f"if that is no adaptergen, delete {tree}/.adaptergen/pid")


def test_a_run_that_has_not_said_its_number_is_left_alone(tree: Path) -> None:
    write_all(tree, {".adaptergen/new/edited.py": "half"})
    before = fingerprint(tree)
    with locked(tree):
        transaction.recover(tree)
        with pytest.raises(ProblemsFound, match="wait until it has finished"):
            commit(tree)

    assert fingerprint(tree) == before


def test_what_a_killed_run_left_meanwhile_is_taken_back_first(tree: Path) -> None:
    """Two runs began, and one was killed while it wrote."""
    after, todo = written(tree), changes(tree)
    write_all(tree, {".adaptergen/pid": "4194305", ".adaptergen/new/edited.py": "half"})
    transaction.commit(tree, todo)

    assert fingerprint(tree) == after


OWNERS = {
    "none": "",
    "no number": "nonsense",
    "too large": "99999999999999999999",
    "gone": "4194305",
    "our own": str(os.getpid()),
    "given to somebody else": str(os.getppid()),
}


@pytest.mark.parametrize("owner", OWNERS.values(), ids=OWNERS.keys())
def test_what_a_dead_run_left_is_tidied_up(tree: Path, owner: str) -> None:
    """Also if its number is no number, or another process has it by now, as it may be in a container."""
    before = fingerprint(tree)
    write_all(tree, {".adaptergen/pid": owner, ".adaptergen/new/edited.py": "half"})
    transaction.recover(tree)

    assert fingerprint(tree) == before


@pytest.mark.parametrize("owner", list(OWNERS.values())[:-1], ids=list(OWNERS)[:-1])
def test_what_a_dead_run_left_is_tidied_up_without_locks(
    tree: Path, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fingerprint(tree)
    write_all(tree, {".adaptergen/pid": owner, ".adaptergen/new/edited.py": "half"})
    monkeypatch.setattr(project_lock, "_opened", lambda _: None)
    transaction.recover(tree)

    assert fingerprint(tree) == before


def test_a_run_of_somebody_else_is_alive(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_all(tree, {".adaptergen/pid": "1"})

    def forbidden(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(project_lock, "_opened", lambda _: None)
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


JOURNALS = {
    "above": '{"files": [["../victim.txt", "create"]], "folders": []}',
    "absolute": '{"files": [["VICTIM", "create"]], "folders": []}',
    "by a link": '{"files": [["link/victim.txt", "create"]], "folders": []}',
    "a folder": '{"files": [], "folders": ["../victims"]}',
    "git": '{"files": [[".git/config", "create"]], "folders": []}',
    "itself": '{"files": [[".adaptergen/old/x", "create"]], "folders": []}',
    "no JSON": '{"files": [[',
    "no journal": "[]",
    "no paths": '{"files": [[1, "create"]], "folders": []}',
    "no text": "\udcff",
}


@pytest.mark.parametrize("told", JOURNALS.values(), ids=JOURNALS.keys())
def test_a_journal_of_somebody_else_is_not_followed(tree: Path, told: str) -> None:
    """A folder that was downloaded may have one: looking at it deletes nothing."""
    victim = tree.with_name("victim.txt")
    victim.write_text("mine")
    (tree.parent / "victims/__pycache__").mkdir(parents=True)
    (tree / "link").symlink_to(tree.parent)
    write_all(tree, {".git/config": "mine", ".adaptergen/pid": ""})
    journal = tree / ".adaptergen/journal"
    journal.write_bytes(told.replace("VICTIM", str(victim)).encode(errors="surrogateescape"))
    before = fingerprint(tree)
    with pytest.raises(ProblemsFound, match="is not a journal that adaptergen has written") as found:
        transaction.recover(tree)

    assert found.value.problems[0].fix == f"delete the folder {tree}/.adaptergen"
    assert fingerprint(tree) == before
    assert victim.read_text() == (tree / ".git/config").read_text() == "mine"
    assert (tree.parent / "victims/__pycache__").is_dir()


def test_a_link_in_the_place_of_the_staging_folder(tree: Path) -> None:
    """What it leads to is neither moved nor deleted."""
    elsewhere = tree.with_name("elsewhere")
    write_all(elsewhere, {"journal": '{"files": [["edited.py", "update"]], "folders": []}', "old/edited.py": "theirs"})
    (tree / ".adaptergen").symlink_to(elsewhere)
    before = fingerprint(tree), fingerprint(elsewhere)
    transaction.recover(tree)
    with pytest.raises(ProblemsFound, match="cannot be written: File exists; nothing was changed"):
        commit(tree)

    assert (fingerprint(tree), fingerprint(elsewhere)) == before


THEIRS = {"kept/edited.txt": "theirs\n", "folder/gone.txt": "theirs, too\n", "kept/new/new.txt": "theirs as well\n"}


@pytest.mark.parametrize("path", THEIRS)
def test_a_file_that_changes_at_any_step_is_kept(tree: Path, path: str) -> None:
    """Either it is too late, and everything was written, or nothing is written but what somebody else wrote."""
    todo, theirs = changes(tree), fingerprint(write(tree.with_name("theirs"), {path: THEIRS[path]}))
    expected, after = files(fingerprint(tree) | theirs), written(tree)
    kept = []
    for number in range(1000):
        copy = copied(tree, tree.with_name(f"copy{number}"))
        with meanwhile(number, lambda copy=copy: write_all(copy, {path: THEIRS[path]})) as reached:
            problems = problems_of(transaction.commit, copy, todo)
        if len(reached) <= number:
            break
        kept += [copy] if problems else []
        assert [(problem.code, str(problem.at)) for problem in problems] == ([("changed", path)] if problems else [])
        assert files(fingerprint(copy)) in ([expected] if problems else [files(after), files(after | theirs)])

    assert 5 < len(kept) < number


def problems_of(run: Callable[..., None], *arguments: object) -> tuple[Problem, ...]:
    try:
        run(*arguments)
    except ProblemsFound as found:
        return found.problems
    return ()


def write(folder: Path, texts: dict[str, str]) -> Path:
    write_all(folder, texts)
    return folder


def files(state: dict[str, str]) -> dict[str, str]:
    return {path: digest for path, digest in state.items() if digest}


@contextmanager
def meanwhile(number: int, act: Callable[[], None]) -> Iterator[list[str]]:
    """Somebody else acts before the step on the disk with this number. Steps are listed."""
    reached: list[str] = []

    def stepping(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **more: Any) -> Any:
            reached.append(name)
            if len(reached) - 1 == number:
                act()
            return function(*arguments, **more)

        return step

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in STEPS:
            patch.setattr(owner, name, stepping(name, getattr(owner, name)))
        yield reached


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
