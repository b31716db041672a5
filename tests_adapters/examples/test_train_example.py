"""`adaptergen train-example`: the task that suits an architecture, learned by a tiny model, and clear refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests_adapters.generator.projects import run


ROOT = Path(__file__).parents[2]
TASKS = {
    "bert": "text classification",
    "gpt2": "language modelling",
    "t5": "writing a text from a text",
    "vit": "image classification",
    "wav2vec2": "speech recognition",
}


@pytest.mark.parametrize(
    "name", [*list(TASKS)[:1], *(pytest.param(name, marks=pytest.mark.slow) for name in list(TASKS)[1:])]
)
def test_learns_what_suits(name: str, tmp_path: Path) -> None:
    result = run(ROOT, "train-example", name, "--json", "--output", str(tmp_path / "adapter"))
    assert result.exit_code == 0, result.output

    made = json.loads(result.stdout)
    assert made["task"] == TASKS[name]
    first, *_, last = made["losses"].values()
    assert last < 0.95 * first  # output embeddings are frozen, and those of a new model are small
    assert made["loaded"] == pytest.approx(last, rel=1e-5)
    assert made["trained"] < made["parameters"]
    assert (tmp_path / "adapter" / "adapter_config.json").is_file()
    assert "loss" in result.stderr  # progress


def test_people_are_told(tmp_path: Path) -> None:
    result = run(ROOT, "train-example", "bert", "--adapter", "lora[r=4]", "--steps", "5")
    assert result.exit_code == 0, result.output
    assert "text classification with lora[r=4]" in result.stderr
    assert result.stdout.startswith("trained: ")
    assert "read from files" in result.stdout


def test_refusals(tmp_path: Path) -> None:
    result = run(ROOT, "train-example", "nothing")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "this project has no model 'nothing'" in result.stderr

    result = run(ROOT, "train-example", "bert", "--adapter", "no_such_method")
    assert result.exit_code == 1
    assert "no_such_method" in result.stderr
    assert "give another --adapter" in result.stderr

    (tmp_path / "file").touch()
    result = run(ROOT, "train-example", "bert", "--steps", "5", "--output", str(tmp_path / "file" / "adapter"))
    assert result.exit_code == 1
    assert "error[not-written]" in result.stderr
    assert "give another --output" in result.stderr


def test_no_task_suits(tmp_path: Path) -> None:
    """Of DINOv3 transformers has only the model without a head, which takes no labels."""
    from adaptergen.verify.tasks import TASKS

    assert not any("dinov3_vit" in task.classes for task in TASKS)
    result = run(ROOT, "train-example", "dinov3_vit", "--output", str(tmp_path / "adapter"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "generated/models/dinov3_vit/plan.toml: error[no-task]: no class of dinov3_vit takes labels of a known task\n"
        "  fix: `adaptergen verify dinov3_vit` proves its adapters without a task\n"
    )
    assert not (tmp_path / "adapter").exists()


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; from adaptergen.cli import main; main(['train-example', '--help'], standalone_mode=False); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "adaptergen train-example bert" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"
