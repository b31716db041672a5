"""Is a project that cannot be written into refused with the place to mend, and left as it is?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests_adapters.generator.projects import done, run
from tests_adapters.generator.trees import PYPROJECT, fingerprint, write_all


PLAN = "generated/models/case/plan.toml"


def refused(project: Path, *arguments: str, exit_code: int = 1) -> str:
    """What a command, by default one that writes, says to a project that it must leave alone."""
    before = fingerprint(project.parent)
    result = run(project, *(arguments or ("add-model", "case", "--no-verify")))

    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert fingerprint(project.parent) == before
    return result.stderr.replace(str(project), "PROJECT")


@pytest.mark.parametrize("text", ["", "[project]\nname = 'x'\n", "[tool.ruff]\n", "tool = 3\n"])
@pytest.mark.parametrize("command", [("list",), ("add-model", "case"), ("check",)])
def test_no_project(project: Path, text: str, command: tuple[str, ...]) -> None:
    (project / "pyproject.toml").write_text(text)

    assert refused(project, *command, exit_code=2) == (
        "error[no-project]: PROJECT is not in a project that uses adaptergen\n"
        '  fix: add to its pyproject.toml:\n\n    [tool.adaptergen]\n    package = "generated"\n\n'
    )


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("[tool.adaptergen\n", "1", "not valid TOML: "),
        ("[project]\nname = 3 4\n", "2", "not valid TOML: "),
        ("[tool]\nadaptergen = 3\n", "", "tool.adaptergen is not a table"),
        ("[tool.adaptergen]\n\ndocs = 3\n", "3", "tool.adaptergen.docs must be a folder inside the project, not 3"),
        (f"{PYPROJECT}color = 'red'\n", "5", "tool.adaptergen.color is not a setting"),
        ("[tool]\nadaptergen = {a = 1}\n", "", "tool.adaptergen.a is not a setting"),
    ],
)
def test_bad_settings(project: Path, text: str, where: str, message: str) -> None:
    (project / "pyproject.toml").write_text(text)
    told = refused(project)

    assert told.startswith(f"PROJECT/pyproject.toml{where and ':'}{where}: error[bad-settings]: {message}")
    assert "\n  fix: " in told


def test_settings_that_are_not_text(project: Path) -> None:
    (project / "pyproject.toml").write_bytes(PYPROJECT.encode() + b"# caf\xe9\n")

    assert refused(project) == (
        "PROJECT/pyproject.toml:5: error[not-utf-8]: is not UTF-8 text (byte 92)\n  fix: save the file as UTF-8\n"
    )


def test_a_folder_that_leads_outside(project: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (project / "generated/models/case").symlink_to(tmp_path / "elsewhere")

    assert refused(project) == (
        f"{PLAN}: error[outside]: leads outside of the project by a symbolic link\n"
        "  fix: replace the link by a folder or file\n"
    )


@pytest.mark.parametrize("path", ["adapter_docs/model_overview.md", "utils/check_adapters.py", "adapter_docs/classes"])
def test_a_file_that_leads_outside(project: Path, tmp_path: Path, path: str) -> None:
    write_all(tmp_path, {"elsewhere.txt": "# precious\n"})
    (project / path).unlink(missing_ok=True)
    (project / path).symlink_to(tmp_path / "elsewhere.txt")

    assert f"{path}" in refused(project)
    assert "error[outside]" in refused(project)


def test_links_in_a_circle(project: Path) -> None:
    (project / "generated/models/case").symlink_to(project / "generated/models/other")
    (project / "generated/models/other").symlink_to(project / "generated/models/case")

    assert "error[outside]" in refused(project)


def test_a_link_that_stays_inside_is_written_through(project: Path) -> None:
    (project / "docs").mkdir()
    (project / "adapter_docs/classes").symlink_to(project / "docs")
    done(project, "add-model", "case", "--no-verify")

    assert (project / "docs/models/case.rst").is_file()
    assert done(project, "check") == "1 model is as adaptergen writes them\n"


@pytest.mark.parametrize(
    "text",
    ["", "# adaptergen: begin exports\n", "# adaptergen: end exports\n# adaptergen: begin exports\n"],
    ids=["none", "only one", "in the wrong order"],
)
def test_a_file_without_its_region(project: Path, text: str) -> None:
    (project / "generated/__init__.py").write_text(text)
    (project / "utils/check_adapters.py").unlink()

    assert refused(project) == (
        "generated/__init__.py: error[no-region]: no region 'exports' to write the models into\n"
        "  fix: put one line with `adaptergen: begin exports` above one with `adaptergen: end exports`\n"
        "utils/check_adapters.py: error[no-region]: no region 'checked-models' to write the models into\n"
        "  fix: put one line with `adaptergen: begin checked-models` above one with `adaptergen: end checked-models`\n"
        "2 problems\n"
    )


def test_a_plan_of_another_model_that_cannot_be_read(project: Path) -> None:
    """The tables are made from all plans, so that none may be left out."""
    done(project, "add-model", "my_case", "--no-verify")
    (project / "generated/models/my_case/plan.toml").write_text("name = 'my_case'\ntitle = \n")
    told = refused(project)

    assert told.startswith("generated/models/my_case/plan.toml:2: error[bad-plan]: not valid TOML")
    assert refused(project, "list") == told
    assert refused(project, "check") == told


def test_a_plan_in_the_wrong_folder(one: Path) -> None:
    (one / "generated/models/case").rename(one / "generated/models/copied")

    assert refused(one, "list") == (
        "generated/models/copied/plan.toml: error[two-names]: the plan in folder copied is for case\n"
        "  fix: move it to generated/models/case/plan.toml, or delete it\n"
    )


def test_a_folder_where_a_file_should_be(project: Path) -> None:
    (project / PLAN).mkdir(parents=True)

    assert refused(project).startswith(f"{PLAN}: error[unreadable]: cannot be read: Is a directory\n  fix: ")


def test_a_file_where_a_folder_should_be(project: Path) -> None:
    """Found only when it is written: nothing of what was written before stays."""
    write_all(project, {"tests_adapters/models": "I am a file\n"})

    assert refused(project) == (
        "PROJECT/tests_adapters/models: error[not-written]: cannot be written: File exists; nothing was changed\n"
        "  fix: make the folder writable, or free some space, and run the command again\n"
    )
