"""Is a name that cannot be, or that nobody knows, refused with what to do, and nothing written?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests_adapters.generator.projects import run
from tests_adapters.generator.trees import fingerprint


BAD = [
    "../x",
    "a/b",
    "a\\b",
    "x;y",
    "",
    " ",
    ".",
    "..",
    "/etc",
    "a b",
    "1st",
    "ü",
    "x" * 81,
    "case\n",
    "class",
    "con",
    "nul",
    "com0",
    "lpt9",
]


@pytest.fixture(autouse=True)
def unchanged(project: Path, tmp_path: Path) -> Iterator[None]:
    """Nothing is written, in the project or beside it."""
    before = fingerprint(project)
    yield
    assert fingerprint(project) == before
    assert {path.name for path in tmp_path.iterdir()} == {"project", "site"}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("command", ["add-model", "plan", "diff", "update", "remove-model", "check", "verify"])
def test_a_name_that_cannot_be_a_folder(project: Path, command: str, name: str) -> None:
    result = run(project, command, name)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"error[bad-name]: {name!r} cannot name a model: use lower-case letters, digits and underscores, "
        "a letter first\n  fix: for example `adaptergen add-model gpt_neo`\n"
    )


def test_a_name_cannot_be_a_folder_with_a_source_either(project: Path, site: Path) -> None:
    source = site / "transformers/models/case/modeling_case.py"
    result = run(project, "add-model", "../x", "--source", str(source))

    assert result.exit_code == 2
    assert result.stderr.startswith("error[bad-name]: '../x' cannot name a model")


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("mycase", "did you mean my_case or case?"),
        ("MYCASE", "did you mean my_case or case?"),
        ("my-casse", "did you mean my_case or case?"),
        ("bert", "`adaptergen list --available` shows every name"),
    ],
)
def test_an_unknown_name(project: Path, name: str, fix: str) -> None:
    result = run(project, "add-model", name)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"error[unknown-model]: transformers 5.23.0 has no modeling file for '{name}'\n  fix: {fix}\n"
    )


def test_all_unknown_names_are_told_and_the_known_one_is_not_written(project: Path) -> None:
    result = run(project, "add-model", "case", "lost", "gone", "--no-verify")

    assert result.exit_code == 2
    assert [line.rpartition(" ")[2] for line in result.stderr.splitlines() if "error" in line] == ["'lost'", "'gone'"]
