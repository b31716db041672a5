"""Is work that git would lose refused to be overwritten, unless somebody insists?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests_adapters.generator.projects import done, git, run
from tests_adapters.generator.trees import fingerprint


MODELING = "generated/models/case/modeling_case.py"
PAGE = "adapter_docs/classes/models/case.rst"
TABLE = "adapter_docs/model_overview.md"
FIX = "commit or stash it first, or pass --force to overwrite it"


@pytest.fixture
def repository(one: Path) -> Path:
    """A project with one model, in a repository in which everything is committed."""
    git(one, "init", "--quiet")
    commit(one)
    return one


def commit(project: Path) -> None:
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "x")


def edited(path: Path) -> None:
    path.write_text(f"{path.read_text()}\n# mine\n")


def refused(project: Path, *arguments: str) -> str:
    before = fingerprint(project)
    result = run(project, *arguments)

    assert (result.exit_code, result.stdout) == (1, "")
    assert fingerprint(project) == before
    return result.stderr


def said(*paths: str) -> str:
    total = f"{len(paths)} problems\n" if len(paths) > 1 else ""
    return "".join(f"{path}: error[uncommitted]: has uncommitted changes\n  fix: {FIX}\n" for path in paths) + total


@pytest.mark.parametrize("staged", [False, True])
def test_an_edited_file_is_not_overwritten(repository: Path, staged: bool) -> None:
    edited(repository / MODELING)
    edited(repository / PAGE)
    if staged:
        git(repository, "add", "--all")

    assert refused(repository, "update", "case", "--no-verify") == said(PAGE, MODELING)
    assert done(repository, "update", "case", "--no-verify", "--force") == f"update  {PAGE}\nupdate  {MODELING}\n"
    assert done(repository, "check") == "1 model is as adaptergen writes them\n"


def test_a_file_that_git_does_not_know_is_not_overwritten(repository: Path) -> None:
    path = repository / "generated/models/my_case/mixin_my_case.py"
    path.parent.mkdir()
    path.write_text("# mine\n")

    assert refused(repository, "add-model", "my_case", "--no-verify") == said(
        "generated/models/my_case/mixin_my_case.py"
    )


def test_a_moved_file_is_not_overwritten(repository: Path) -> None:
    """git tells of two paths where it takes them for one file; neither is swallowed."""
    git(repository, "mv", MODELING, "generated/models/case/renamed.py")

    assert refused(repository, "update", "case", "--no-verify") == said("generated/models/case/renamed.py")


def test_a_region_with_other_uncommitted_changes_is_not_touched(repository: Path) -> None:
    edited(repository / TABLE)

    assert refused(repository, "add-model", "my_case", "--no-verify") == said(TABLE)
    assert refused(repository, "remove-model", "case") == said(TABLE)
    done(repository, "add-model", "my_case", "--no-verify", "--force")
    assert "# mine" in (repository / TABLE).read_text()


def test_an_edited_model_is_not_removed(repository: Path) -> None:
    edited(repository / MODELING)

    assert refused(repository, "remove-model", "case") == said(MODELING)
    assert f"delete  {MODELING}" in done(repository, "remove-model", "case", "--force")


def test_what_is_not_written_may_be_dirty(repository: Path) -> None:
    edited(repository / "pyproject.toml")
    edited(repository / "generated/__init__.py")

    assert done(repository, "update", "case", "--no-verify") == "nothing to change\n"


def test_looking_is_never_refused(repository: Path) -> None:
    edited(repository / MODELING)

    assert "-# mine" in done(repository, "update", "case", "--dry-run")
    assert run(repository, "diff", "case").exit_code == 1


def test_a_project_inside_of_a_repository(tmp_path: Path, one: Path) -> None:
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    edited(one / MODELING)

    assert refused(one, "update", "case", "--no-verify") == said(f"project/{MODELING}")


def test_without_a_repository_there_is_nothing_to_ask(one: Path) -> None:
    edited(one / MODELING)

    assert done(one, "update", "case", "--no-verify") == f"update  {MODELING}\n"


def test_a_repository_that_git_refuses_is_not_taken_for_clean(repository: Path) -> None:
    """For example one that belongs to somebody else, whose work is not to be lost."""
    edited(repository / MODELING)
    (repository / ".git/HEAD").write_text("nonsense\n")
    told = refused(repository, "update", "case", "--no-verify")

    assert told.startswith(f"{repository}: error[git]: git cannot say what is committed: fatal: ")
    assert "pass --force to overwrite whatever is there" in told
    assert done(repository, "update", "case", "--no-verify", "--force") == f"update  {MODELING}\n"
