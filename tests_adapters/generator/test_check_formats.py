"""Do those who read problems get them as they want them: people, GitHub, code scanning, other programs?"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from adaptergen.cli.formats import FORMATS
from adaptergen.problems import Location, Problem
from tests_adapters.generator.projects import done, run


ROOT = Path(__file__).parents[2]
PROBLEMS = (
    Problem("edited", "not 100% as\nwritten", Location("generated/a,b.py", 7), "adaptergen update --all"),
    Problem("missing", "is missing", Location("docs/a.rst")),
    Problem("git", "no answer"),
)


def test_one_line_for_each() -> None:
    assert FORMATS["text"](PROBLEMS).splitlines() == [
        "generated/a,b.py:7: error[edited]: not 100% as written; fix: adaptergen update --all",
        "docs/a.rst: error[missing]: is missing",
        "error[git]: no answer",
    ]


def test_commands_that_github_understands() -> None:
    assert FORMATS["github"](PROBLEMS).splitlines() == [
        "::error file=generated/a%2Cb.py,line=7,title=edited::not 100%25 as%0Awritten; fix: adaptergen update --all",
        "::error file=docs/a.rst,title=missing::is missing",
        "::error title=git::no answer",
    ]


def test_sarif() -> None:
    document = json.loads(FORMATS["sarif"](PROBLEMS))
    (scan,) = document["runs"]

    assert document["version"] == "2.1.0"
    assert scan["tool"]["driver"]["name"] == "adaptergen"
    assert [rule["id"] for rule in scan["tool"]["driver"]["rules"]] == ["edited", "git", "missing"]
    assert [result["ruleId"] for result in scan["results"]] == ["edited", "missing", "git"]
    assert scan["results"][0]["locations"] == [
        {"physicalLocation": {"artifactLocation": {"uri": "generated/a,b.py"}, "region": {"startLine": 7}}}
    ]
    assert scan["results"][1]["locations"] == [{"physicalLocation": {"artifactLocation": {"uri": "docs/a.rst"}}}]
    assert "locations" not in scan["results"][2]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_tells_a_missing_file_and_fails(two: Path, form: str) -> None:
    (two / "tests_adapters/models/test_case.py").unlink()
    result = run(two, "check", "--format", form)

    assert result.exit_code == 1
    assert "tests_adapters/models/test_case.py" in (result.stderr if form == "text" else result.stdout)


@pytest.mark.parametrize(
    ("form", "said"),
    [("text", "2 models are as adaptergen writes them\n"), ("github", "")],
)
def test_nothing_is_wrong(two: Path, form: str, said: str) -> None:
    assert done(two, "check", "--format", form) == said
    assert json.loads(done(two, "check", "--format", "sarif"))["runs"][0]["results"] == []


def test_what_is_given_wrongly_ends_with_two_in_every_format(tmp_path: Path) -> None:
    assert [run(tmp_path, "check", "--format", form).exit_code for form in FORMATS] == [2] * len(FORMATS)


def test_hooks_and_the_action_run_commands_that_exist(two: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    action = yaml.safe_load((ROOT / ".github/actions/check/action.yml").read_text())
    steps = {step["name"]: step for step in action["runs"]["steps"]}

    assert hook["entry"].split() == ["adaptergen", "check"]
    assert all(step["shell"] == "bash" for step in steps.values())
    (two / "tests_adapters/models/test_case.py").unlink()
    for name, status in (("check", 1), ("write SARIF", 0)):
        script = steps[name]["run"].replace("adaptergen check", "told")
        command = ["bash", "-e", "-c", f'told() {{ echo "$@"; return 1; }}\n{script}']
        result = subprocess.run(command, env={"NAMES": "case", "SARIF": "out"}, cwd=two, check=False)
        assert result.returncode == status
    assert (two / "out").read_text() == "--format sarif case\n"
