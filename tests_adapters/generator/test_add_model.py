"""Does add-model write everything of a model, show what it would write, and say what it refused?"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from adaptergen.problems import Location, Problem, ProblemsFound
from tests_adapters.generator.case import CASES
from tests_adapters.generator.projects import done, git, run
from tests_adapters.generator.trees import fingerprint


OF_CASE = [
    "create  adapter_docs/classes/models/case.rst",
    "update  adapter_docs/model_overview.md",
    "update  generated/__init__.py",
    "update  generated/models/__init__.py",
    "create  generated/models/case/__init__.py",
    "create  generated/models/case/adapter_model.py",
    "create  generated/models/case/mixin_case.py",
    "create  generated/models/case/modeling_case.py",
    "create  generated/models/case/plan.toml",
    "update  generated/models/head_conversions.py",
    "create  tests_adapters/models/test_case.py",
    "update  utils/check_adapters.py",
]


NO_TORCH = """\
error[no-torch]: models cannot be run: torch is not installed
  fix: pip install torch, or pass --no-verify
"""


def given(project: Path, case: str) -> str:
    """The modeling file of a case, beside the project."""
    shutil.copy(CASES / case / "modeling_case.py", project.parent)
    return str(project.parent / "modeling_case.py")


def test_every_change_is_listed_and_made(project: Path) -> None:
    before = fingerprint(project)

    assert done(project, "add-model", "case", "--no-verify").splitlines() == OF_CASE
    after = fingerprint(project)
    files = {path for path, digest in after.items() if digest and before.get(path) != digest}
    assert files == {line[8:] for line in OF_CASE}


def test_regions_name_the_model_and_nothing_else_is_touched(project: Path) -> None:
    index = project / "generated/models/__init__.py"
    index.write_text(f"# mine\n\n{index.read_text()}\nMINE = 1\n")
    done(project, "add-model", "case", "--no-verify")

    assert index.read_text() == (
        "# mine\n\n"
        "# adaptergen: begin adapter-models\n"
        '"case": "CaseAdapterModel",\n'
        "# adaptergen: end adapter-models\n"
        "# adaptergen: begin model-packages\n"
        '"transformers.models.case.modeling_case": "case",\n'
        "# adaptergen: end model-packages\n"
        "# adaptergen: begin config-names\n"
        "# adaptergen: end config-names\n"
        "\nMINE = 1\n"
    )


def test_a_second_run_changes_nothing(one: Path) -> None:
    before = fingerprint(one)

    assert done(one, "add-model", "case", "--no-verify") == "nothing to change\n"
    assert done(one, "update", "--all", "--no-verify") == "nothing to change\n"
    assert fingerprint(one) == before


@pytest.mark.parametrize("name", ["my_case", "my-case", "My-Case"])
def test_a_name_is_a_folder_or_a_model_type(project: Path, name: str) -> None:
    """A model type has hyphens where its folder has underscores."""
    done(project, "add-model", "my_case", "--no-verify")

    assert done(project, "add-model", name, "--no-verify") == "nothing to change\n"
    assert (project / "generated/models/my_case/plan.toml").is_file()
    assert '"my-case": "MyCaseAdapterModel",' in (project / "generated/models/__init__.py").read_text()


def test_a_model_type_is_enough_for_a_new_model(project: Path) -> None:
    assert "create  generated/models/my_case/plan.toml" in done(project, "add-model", "my-case", "--no-verify")


def test_two_at_once_are_as_two_after_each_other(project: Path) -> None:
    done(project, "add-model", "my_case", "case", "--no-verify")
    at_once = fingerprint(project)
    done(project, "remove-model", "my_case", "case")
    done(project, "add-model", "case", "--no-verify")
    done(project, "add-model", "my-case", "--no-verify")

    assert fingerprint(project) == at_once


def test_a_model_that_is_named_twice_is_written_once(project: Path) -> None:
    assert done(project, "add-model", "case", "case", "--no-verify").splitlines() == OF_CASE
    assert done(project, "add-model", "my_case", "my-case", "--no-verify").count("my_case/plan.toml") == 1


@pytest.mark.parametrize("option", ["--dry-run", "--diff"])
def test_a_dry_run_shows_the_diff_and_writes_nothing(project: Path, option: str) -> None:
    """The diff is what the command would do: git can apply it, and nothing is left to do."""
    before = fingerprint(project)
    diff = done(project, "add-model", "case", option)

    assert fingerprint(project) == before
    assert diff.startswith("--- /dev/null\n+++ b/adapter_docs/classes/models/case.rst\n@@ -0,0 +1,")
    assert "--- a/utils/check_adapters.py\n+++ b/utils/check_adapters.py\n" in diff
    (project.parent / "case.diff").write_text(diff)
    git(project, "apply", "../case.diff")
    assert done(project, "add-model", "case", "--no-verify") == "nothing to change\n"


def test_json_lists_the_changes(project: Path) -> None:
    changes = [{"path": line[8:], "change": line[:6]} for line in OF_CASE]
    told = {"changes": changes, "refused": [], "problems": []}

    assert json.loads(done(project, "add-model", "case", "--dry-run", "--json")) == {"written": False, **told}
    assert json.loads(done(project, "add-model", "case", "--no-verify", "--json")) == {"written": True, **told}


def test_a_given_file_is_recorded_relative_to_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it is found again from every folder, by everybody."""
    source = given(project, "causal_buffer")
    monkeypatch.chdir(project.parent)
    done(project, "add-model", "mine", "--source", "modeling_case.py", "--no-verify")
    monkeypatch.chdir("/")

    assert 'path = "../modeling_case.py"' in (project / "generated/models/mine/plan.toml").read_text()
    for again in (["update", "mine"], ["update", "--all"], ["add-model", "mine", "--source", source]):
        assert done(project, *again, "--no-verify") == "nothing to change\n"
    assert done(project, "check") == "1 model is as adaptergen writes them\n"


@pytest.mark.parametrize("declared", ["config: MineConfig", "config_class = MineConfig"])
def test_a_file_that_transformers_knows_nothing_of(project: Path, declared: str) -> None:
    """Its configuration is the one that it declares; what only it can import is taken from it."""
    text = (CASES / "pre_norm/modeling_case.py").read_text().replace("Case", "Mine")
    source = project.parent / "modeling_mine.py"
    source.write_text(text.replace("config: MineConfig", declared, 1))
    done(project, "add-model", "mine", "--source", str(source), "--no-verify")

    written = {path.name: path.read_text() for path in (project / "generated/models/mine").glob("*.py")}
    for code in written.values():
        compile(code, "written", "exec")
        assert code.startswith("# Code generated by adaptergen from modeling_mine. DO NOT EDIT.")
        assert not re.search(r"^from (\.|activations|cache_utils|modeling_utils)", code, re.MULTILINE)
    assert "def __init__(self, config: MineConfig):" in written["adapter_model.py"]
    assert "from modeling_mine import MineConfig" in written["adapter_model.py"]


def test_a_given_file_of_transformers_itself_needs_no_path(project: Path, site: Path) -> None:
    """As for folders with several modeling files, of which none is called like the folder."""
    modeling = site / "transformers/models/case/modeling_case_text.py"
    modeling.write_text((site / "transformers/models/my_case/modeling_my_case.py").read_text())
    done(project, "add-model", "case_text", "--source", str(modeling), "--no-verify")
    plan = (project / "generated/models/case_text/plan.toml").read_text()

    assert 'module = "transformers.models.case.modeling_case_text"' in plan
    assert "path =" not in plan.partition("[classes]")[0]
    assert done(project, "update", "case_text", "--no-verify") == "nothing to change\n"
    assert done(project, "check") == "1 model is as adaptergen writes them\n"


def test_source_is_for_one_name(project: Path) -> None:
    result = run(project, "add-model", "one", "two", "--source", given(project, "pre_norm"))

    assert result.exit_code == 2
    assert "--source takes exactly one NAME" in result.stderr


def test_refused_methods_are_told_with_their_reason(project: Path) -> None:
    """They are no problem, and no part of a diff."""
    source = given(project, "scores_both_ways")
    dry = run(project, "add-model", "mine", "--source", source, "--dry-run")
    wet = run(project, "add-model", "mine", "--source", source, "--no-verify", "--json")

    refused = json.loads(wet.stdout)["refused"]
    assert (dry.exit_code, wet.exit_code) == (0, 0)
    assert {entry["method"] for entry in refused} == {"prefix_tuning"}
    assert dry.stderr == "".join(f"mine: no {entry['method']}: {entry['because']}\n" for entry in refused)
    assert "mine: no prefix_tuning" not in dry.stdout


def test_a_model_that_cannot_be_run_here_is_not_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless nobody asks to run it."""
    monkeypatch.setitem(sys.modules, "torch", None)
    before = fingerprint(project)
    result = run(project, "add-model", "case")

    assert result.exit_code == 1
    assert result.stderr == NO_TORCH
    assert fingerprint(project) == before
    assert done(project, "add-model", "case", "--no-verify")


def test_a_broken_promise_fails_after_writing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON stays one document: what was written, and what is wrong with it."""

    def broken(*_: object) -> None:
        raise ProblemsFound(Problem("not-equal", "outputs differ", Location("modeling_case.py", 3), "look at it"))

    monkeypatch.setattr("adaptergen.cli.writing.prove", broken)
    monkeypatch.setattr("adaptergen.cli.writing.require_torch", lambda otherwise: None)
    result = run(project, "add-model", "case", "--json")
    told = json.loads(result.stdout)

    assert result.exit_code == 1
    assert told["written"] is True
    assert len(told["changes"]) == len(OF_CASE)
    assert told["problems"] == [
        {"code": "not-equal", "message": "outputs differ", "path": "modeling_case.py", "line": 3, "fix": "look at it"}
    ]
    assert done(project, "check") == "1 model is as adaptergen writes them\n"
