"""What is decided about modeling files that are not transformers', and does add-model take them from their files?"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adaptergen.pipeline import Integration, integrate
from adaptergen.plan import METHODS
from adaptergen.plan_file import dump, load
from adaptergen.sources import given_model
from adaptergen.upstream_diff import upstream_diff
from tests_adapters.generator.projects import done
from tests_adapters.generator.real import upstream
from tests_adapters.generator.trees import make_project


CODE = Path(__file__).parents[1] / "remote_code"
NAMES = ("alibi", "fused_encoder", "packed")


def made(name: str) -> Integration:
    file = CODE / name / f"modeling_{name}.py"
    return integrate(given_model(file, name, upstream(), f"{name}/modeling_{name}.py"), upstream())


@pytest.mark.parametrize("name", NAMES)
def test_plan_and_change(name: str, write_goldens: bool) -> None:
    one = made(name)
    answers = {"plan.toml": dump(one.plan), "upstream.diff": upstream_diff(one.source, one.borrowed.edits)}
    if write_goldens:
        for golden, text in answers.items():
            (CODE / name / golden).write_text(text)

    assert answers == {golden: (CODE / name / golden).read_text() for golden in answers}
    assert {method: one.plan.methods[method].supported for method in METHODS} == dict.fromkeys(METHODS, True)


@pytest.mark.parametrize("name", NAMES)
def test_add_model_takes_the_file(name: str, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    shutil.copytree(CODE / name, project / "code" / name, ignore=shutil.ignore_patterns("*.toml", "*.diff"))
    source = project / "code" / name / f"modeling_{name}.py"

    told = done(project, "add-model", name, "--source", str(source), "--no-verify")
    assert f"create  generated/models/{name}/plan.toml" in told.splitlines()
    plan = load((project / "generated/models" / name / "plan.toml").read_text(), "plan.toml")
    assert plan.source.path == f"code/{name}/modeling_{name}.py"
    assert plan.model_type == {"alibi": "alibi_decoder"}.get(name, name)
    undefined = ["check", "--quiet", "--isolated", "--select", "F821", str(project / "generated/models" / name)]
    assert subprocess.run([sys.executable, "-m", "ruff", *undefined], check=False).returncode == 0
    assert done(project, "check") == "1 model is as adaptergen writes them\n"
