"""What is said in a repository in the middle of a merge, and how does it come out of it?"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests_adapters.generator.projects import done, git, run
from tests_adapters.generator.trees import fingerprint


REGIONS = (
    "generated/__init__.py:2",
    "generated/models/__init__.py:2",
    "generated/models/head_conversions.py:2",
    "adapter_docs/model_overview.md:7",
    "utils/check_adapters.py:2",
)
MESSAGE = "error[conflict]: has the marks of a merge that is not resolved"
FIX = "resolve and commit it; `adaptergen update --all` then writes its regions anew: there, either side will do"


@pytest.fixture
def merging(project: Path) -> Path:
    """Two branches have added a model each, and one is being merged into the other."""
    git(project, "init", "--quiet", "--initial-branch", "main")
    committed(project)
    for name in ("my_case", "case"):
        git(project, "checkout", "--quiet", "-b", name, "main")
        done(project, "add-model", name, "--no-verify")
        committed(project)
    with pytest.raises(subprocess.CalledProcessError):
        git(project, "merge", "my_case")
    return project


def committed(project: Path) -> None:
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "x")


@pytest.mark.parametrize("command", [["update", "--all"], ["update", "--all", "--force"], ["add-model", "case"]])
def test_nothing_is_written_between_the_two_sides(merging: Path, command: list[str]) -> None:
    before = fingerprint(merging)
    result = run(merging, *command, "--no-verify")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "".join(f"{at}: {MESSAGE}\n  fix: {FIX}\n" for at in REGIONS) + "5 problems\n"
    assert fingerprint(merging) == before


@pytest.mark.parametrize("side", ["--ours", "--theirs"])
def test_what_is_told_ends_it(merging: Path, side: str) -> None:
    """Whichever side is taken, the tables have both models afterwards."""
    git(merging, "checkout", side, ".")
    committed(merging)
    done(merging, "update", "--all", "--no-verify")

    assert done(merging, "check") == "2 models are as adaptergen writes them\n"


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_plan_and_the_settings_in_conflict(one: Path, line_end: str) -> None:
    for path, shown in (
        ("generated/models/case/plan.toml", "generated/models/case/plan.toml"),
        ("pyproject.toml", f"{one}/pyproject.toml"),
    ):
        first, *others = (one / path).read_text().splitlines()
        lines = [first, "<<<<<<< HEAD", *others, "||||||| 1234567", "=======", ">>>>>>> theirs"]
        (one / path).write_text(line_end.join(lines), newline="")
        result = run(one, "update", "case", "--no-verify")

        assert (result.exit_code, result.stderr) == (1, f"{shown}:2: {MESSAGE}\n  fix: {FIX}\n")


def test_headings_and_comparisons_are_no_conflict(one: Path) -> None:
    page = one / "adapter_docs/model_overview.md"
    page.write_text(f"Models\n=======\n\n>>>>>>> quoted\n\n{page.read_text()}")

    assert done(one, "check") == "1 model is as adaptergen writes them\n"
