"""Does update write what a plan, a template or a new transformers asks for, and does remove-model take it all back?"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from adaptergen.rendering.regions import REGIONS
from adaptergen.settings import Settings
from tests_adapters.generator.projects import done, python, run
from tests_adapters.generator.trees import copied, fingerprint, make_project, write_all


FILES = ("__init__.py", "adapter_model.py", "mixin_case.py", "modeling_case.py", "plan.toml")
OTHER = Settings(package="mine.adapters", tests="checks/adapters", docs="docs/adapters.d")
OTHER_FOLDERS = """\
[tool.adaptergen]
package = "mine.adapters"
tests = "checks/adapters"
docs = "docs/adapters.d"
"""
PLAN = "generated/models/case/plan.toml"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_an_entry_by_hand_is_kept_and_carried_out(two: Path) -> None:
    entry = 'slot = "output_adapters"\nbecause = "'
    edit(two / PLAN, entry, 'slot = "my_adapters"\nby = "hand"\nbecause = "')

    assert done(two, "update", "case", "--no-verify").splitlines() == [
        "update  generated/models/case/mixin_case.py",
        "update  generated/models/case/modeling_case.py",
        "update  generated/models/case/plan.toml",
    ]
    assert "self.my_adapters.adapter_layer_forward(" in (two / "generated/models/case/modeling_case.py").read_text()
    assert done(two, "update", "case", "--no-verify") == "nothing to change\n"
    assert done(two, "check") == "2 models are as adaptergen writes them\n"


def test_an_entry_that_is_not_by_hand_is_planned_again(two: Path) -> None:
    before = fingerprint(two)
    edit(two / PLAN, 'slot = "output_adapters"', 'slot = "my_adapters"')

    assert done(two, "update", "case", "--no-verify").splitlines() == [
        f"update  {PLAN}",
        "replanned: case",
        "  changed: CaseLayer: place of output_adapter (modeling_case.py:89)",
        "    slot: 'my_adapters' -> 'output_adapters'",
        "    because: CaseLayer adds the feed-forward output to its input",
        "  new: addition CaseLayer.output_adapters (modeling_case.py:89)",
        "    because: hidden_states is the feed-forward output, residual its input (pre-LN)",
        "  gone: addition CaseLayer.my_adapters (modeling_case.py:89)",
    ]
    assert fingerprint(two) == before


def test_hand_edits_of_other_files_are_written_over_and_left_over_files_go(two: Path) -> None:
    before = fingerprint(two)
    (two / "generated/models/case/old.py").write_text("OLD = 1\n")
    (two / "adapter_docs/classes/models/case.rst").unlink()
    edit(two / "generated/models/case/modeling_case.py", "adapter_layer_forward", "forward")

    assert done(two, "update", "case", "--no-verify").splitlines() == [
        "create  adapter_docs/classes/models/case.rst",
        "update  generated/models/case/modeling_case.py",
        "delete  generated/models/case/old.py",
    ]
    assert fingerprint(two) == before


def test_a_new_transformers_is_read(two: Path, site: Path) -> None:
    edit(site / "transformers/__init__.py", "5.23.0", "5.23.1")
    edit(site / "transformers/models/case/modeling_case.py", "hidden_states = self.mlp(", "hidden_states = self.mlp( ")

    assert done(two, "update", "--all", "--no-verify").splitlines() == [
        "update  adapter_docs/classes/models/case.rst",
        "update  adapter_docs/classes/models/my_case.rst",
        "update  generated/models/case/modeling_case.py",
        "update  generated/models/case/plan.toml",
        "update  generated/models/my_case/plan.toml",
        "regenerated: case",
        "2 models: 1 unchanged, 1 regenerated",
    ]
    assert "self.mlp( hidden_states)" in (two / "generated/models/case/modeling_case.py").read_text()
    assert done(two, "check") == "2 models are as adaptergen writes them\n"


def test_an_architecture_that_is_gone_is_named_with_all_that_is_wrong(two: Path, site: Path) -> None:
    (site / "transformers/models/case/modeling_case.py").unlink()
    (site / "transformers/models/my_case/modeling_my_case.py").write_text("class\n")
    before = fingerprint(two)
    result = run(two, "update", "--all", "--no-verify")

    assert result.exit_code == 1
    assert result.stderr == (
        "transformers/models/case/modeling_case.py: error[upstream-gone]: is not in transformers 5.23.0\n"
        "  fix: adaptergen remove-model case\n"
        "transformers/models/my_case/modeling_my_case.py:1: error[not-python]: not valid Python: invalid syntax\n"
        "  fix: give a Python modeling file, such as modeling_<name>.py\n"
        "2 problems\n"
    )
    assert fingerprint(two) == before


@pytest.mark.parametrize("arguments", [[], ["case", "--all"]])
def test_update_wants_names_or_all(two: Path, arguments: list[str]) -> None:
    result = run(two, "update", *arguments)

    assert result.exit_code == 2
    assert "give either NAMEs or --all" in result.stderr


def test_update_and_remove_take_model_types(two: Path) -> None:
    assert done(two, "update", "my-case", "--no-verify") == "nothing to change\n"
    assert "delete  generated/models/my_case/plan.toml" in done(two, "remove-model", "my-case")


@pytest.mark.parametrize("text", ["not = [toml", "", 'name = "other"\n'])
def test_a_model_whose_plan_is_broken_can_be_removed(two: Path, text: str) -> None:
    (two / PLAN).write_text(text)
    assert f"delete  {PLAN}" in done(two, "remove-model", "case", "--force")
    assert not (two / PLAN).parent.exists()
    assert done(two, "check") == "1 model is as adaptergen writes them\n"


def test_a_broken_plan_of_another_model_is_named(two: Path) -> None:
    (two / PLAN).write_text("not = [toml")
    result = run(two, "remove-model", "my_case", "--force")
    assert result.exit_code == 1
    assert PLAN in result.stderr


@pytest.mark.parametrize("command", [["update", "--no-verify"], ["remove-model"], ["verify"]])
def test_a_model_that_the_project_lacks_is_wrong_usage(two: Path, command: list[str]) -> None:
    before = fingerprint(two)
    result = run(two, *command, "case", "gone", "lost")

    assert result.exit_code == 2
    assert result.stderr == (
        "error[unknown-model]: this project has no model 'gone'\n  fix: it has: case, my_case\n"
        "error[unknown-model]: this project has no model 'lost'\n  fix: it has: case, my_case\n"
        "2 problems\n"
    )
    assert fingerprint(two) == before


def test_removing_takes_everything_and_adding_gives_it_back(two: Path) -> None:
    full = fingerprint(two)
    removed = done(two, "remove-model", "case")

    assert "delete  generated/models/case/plan.toml" in removed
    assert "update  utils/check_adapters.py" in removed
    assert not [path for path in fingerprint(two) if "case" in path.replace("my_case", "")]
    assert "Case" not in (two / "generated/__init__.py").read_text().replace("MyCase", "")
    assert done(two, "check") == "1 model is as adaptergen writes them\n"
    done(two, "add-model", "case", "--no-verify")
    assert fingerprint(two) == full


def test_removing_all_leaves_the_project_as_it_was(project: Path) -> None:
    done(project, "update", "--all", "--no-verify")  # the heads of tables without rows
    before = fingerprint(project)
    done(project, "add-model", "case", "my_case", "--no-verify")
    done(project, "remove-model", "case", "my_case")

    assert fingerprint(project) == before


def test_a_dry_removal_shows_the_diff(two: Path) -> None:
    before = fingerprint(two)
    diff = done(two, "remove-model", "case", "--dry-run")
    told = json.loads(done(two, "remove-model", "case", "--dry-run", "--json"))

    assert "--- a/generated/models/case/plan.toml\n+++ /dev/null\n" in diff
    assert {"path": PLAN, "change": "delete"} in told["changes"]
    assert told["written"] is False
    assert fingerprint(two) == before


def test_other_folder_names(tmp_path: Path, site: Path) -> None:
    """A folder of documents may have a dot; the package is given as it is imported."""
    project = make_project(tmp_path / "other", OTHER_FOLDERS)
    for path in {region.path for region in REGIONS}:
        write_all(project, {OTHER.placed(path): (project / path).read_text()})
    for folder in ("generated", "adapter_docs"):
        shutil.rmtree(project / folder)
    done(project, "update", "--all", "--no-verify")
    before = fingerprint(project)
    done(project, "add-model", "case", "--no-verify")

    after = fingerprint(project)
    texts = {path: (project / path).read_text() for path in after if after[path] and path != "pyproject.toml"}
    assert set(after) - set(before) == {
        "checks",
        "checks/adapters",
        "checks/adapters/models",
        "checks/adapters/models/test_case.py",
        "docs/adapters.d/classes",
        "docs/adapters.d/classes/models",
        "docs/adapters.d/classes/models/case.rst",
        "mine/adapters/models/case",
        *(f"mine/adapters/models/case/{name}" for name in FILES),
    }
    assert not [path for path, text in texts.items() if re.search(r"\bgenerated\.|tests_adapters|adapter_docs", text)]
    assert "from mine.adapters.models.case import CaseAdapterModel" in texts["checks/adapters/models/test_case.py"]
    assert "from checks.adapters.core.model_suite import" in texts["checks/adapters/models/test_case.py"]
    assert '"CaseAdapterModel": "mine.adapters.models.case",' in texts["mine/adapters/__init__.py"]
    assert done(project, "check") == "1 model is as adaptergen writes them\n"
    done(project, "remove-model", "case")
    assert fingerprint(project) == before


def test_every_process_writes_the_same_bytes(project: Path, site: Path) -> None:
    """Whatever the order of sets, and in whichever order models are named."""
    trees = []
    for seed, names in (("1", ("case", "my_case")), ("2", ("my_case", "case"))):
        copy = copied(project, project.with_name(f"seed{seed}"))
        command = ("-m", "adaptergen", "-C", str(copy), "add-model", *names, "--no-verify")
        assert python(*command, PYTHONHASHSEED=seed, PYTHONPATH=str(site)).returncode == 0
        trees.append(fingerprint(copy))

    assert trees[0] == trees[1]
    done(project, "add-model", "case", "my_case", "--no-verify")
    assert fingerprint(project) == trees[0]
