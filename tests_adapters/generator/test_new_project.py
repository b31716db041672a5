"""Does `adaptergen init` make a project that adds models, checks them, tests them and trains with them at once?"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests_adapters.generator.projects import done, run
from tests_adapters.generator.trees import fingerprint


ROOT = Path(__file__).parents[2]
TRAIN = """
import sys
import torch
import acme.adapters as adapters
from transformers import GPTNeoConfig, GPTNeoForCausalLM

sizes = dict(hidden_size=32, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]])
model = adapters.init(GPTNeoForCausalLM(GPTNeoConfig(vocab_size=50, bos_token_id=1, eos_token_id=2, **sizes)))
model.add_adapter("task", config="lora")
model.train_adapter("task")
optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=1e-2)
tokens = torch.arange(20)[None]
losses = []
for _ in range(10):
    losses.append(model(tokens, labels=tokens).loss)
    losses[-1].backward()
    optimizer.step()
    optimizer.zero_grad()
assert losses[-1] < losses[0]
model.save_adapter(sys.argv[1], "task")
other = adapters.AutoAdapterModel.from_config(model.config)
other.load_adapter(sys.argv[1])
assert "task" in other.adapter_summary()
assert type(other).__module__ == "acme.adapters.models.gpt_neo.adapter_model"
assert not [name for name in sys.modules if name.partition(".")[0] in ("generated", "adaptergen", "libcst")]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new") / "project"
    done(folder.parent, "init", "project", "--package", "acme.adapters", "--tests", "checks/suite")
    return folder


def test_nothing_in_it_is_called_as_in_this_repository(made: Path) -> None:
    for path in made.rglob("*.py"):
        tree = ast.parse(path.read_text())
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        names = [getattr(node, "module", None) or node.names[0].name for node in imports]
        assert not [name for name in names if name.split(".")[0] in ("generated", "tests_adapters")], path
        assert not re.search(r"[\"`]generated\.|\bgenerated\.[A-Z]", path.read_text()), path


def test_it_has_no_models_and_checks(made: Path) -> None:
    assert done(made, "list") == ""
    assert done(made, "check") == "0 models are as adaptergen writes them\n"
    assert yaml.safe_load((made / ".github/workflows/tests.yml").read_text())["jobs"]["test"]["steps"]


def test_models_are_added_and_trained(made: Path, tmp_path: Path) -> None:
    written = done(made, "add-model", "gpt_neo", "--no-verify").splitlines()
    assert "create  acme/adapters/models/gpt_neo/plan.toml" in written
    assert "create  checks/suite/models/test_gpt_neo.py" in written
    assert done(made, "check") == "1 model is as adaptergen writes them\n"

    result = python(made, "-c", TRAIN, str(tmp_path / "adapter"))
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_its_own_tests_pass(made: Path) -> None:
    done(made, "add-model", "gpt_neo", "--no-verify")
    result = python(made, "-m", "pytest", "-x", "-m", "not slow", "-p", "no:cacheprovider")
    assert result.returncode == 0, result.stdout


def test_the_name_is_that_of_the_folder(tmp_path: Path) -> None:
    told = json.loads(done(tmp_path, "init", "my-adapters", "--json"))

    assert told["problems"] == []
    assert "my_adapters/core/init.py" in told["files"]
    assert 'package = "my_adapters"' in (tmp_path / "my-adapters/pyproject.toml").read_text()


@pytest.mark.parametrize("package", ["../evil", "a-b", "a..b", "1a"])
def test_names_that_no_package_can_have(tmp_path: Path, package: str) -> None:
    result = run(tmp_path, "init", "project", "--package", package)

    assert result.exit_code == 1
    assert "error[bad-settings]: tool.adaptergen.package must be the dotted name of a Python package" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    before = fingerprint(tmp_path)
    result = run(tmp_path, "init", ".", "--package", "acme")

    assert result.exit_code == 1
    assert "README.md: error[in-the-way]: is there already\n" in result.stderr
    assert fingerprint(tmp_path) == before


def python(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in the project, which finds its package there, and adaptergen in this repository."""
    environment = {"PYTHONPATH": f"{project}:{ROOT}", "PATH": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
