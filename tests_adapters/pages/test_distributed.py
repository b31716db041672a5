"""The scripts of the page about several devices, started by the commands of that page, in two processes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests_adapters.pages.blocks import GUIDES
from tests_adapters.pages.test_python_blocks import write_checkpoints


PAGE = (GUIDES / "distributed.md").read_text(encoding="utf-8")
SCRIPT = re.compile(r"^<!-- file: (\S+) -->\n\n```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^\$ (.+)$", re.MULTILINE)
SCRIPTS = dict(SCRIPT.findall(PAGE))
HERE = [command for command in COMMAND.findall(PAGE) if "--nnodes" not in command]
LAUNCHERS = {
    "torchrun": [sys.executable, "-m", "torch.distributed.run"],
    "accelerate launch": [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--main_process_port=0"],
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_checkpoints(PAGE)
    for name, text in SCRIPTS.items():
        Path(name).write_text(text, encoding="utf-8")
    return tmp_path


def launched(command: str) -> str:
    """What it prints. There are no GPUs here, so accelerate is told to use the CPU."""
    launcher = next(launcher for launcher in LAUNCHERS if command.startswith(launcher))
    options = command.removeprefix(launcher).split()
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "PYTHONPATH": str(GUIDES.parent), "PET_STANDALONE": "1"}
    result = subprocess.run(
        [*LAUNCHERS[launcher], *options], capture_output=True, text=True, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def losses(printed: str) -> list[float]:
    return [float(found) for found in re.findall(r"'?\bloss'?:? '?([\d.]+)", printed)]


@pytest.mark.slow
def test_loops() -> None:
    alone = losses(launched("torchrun --nproc-per-node 1 loop.py ddp"))
    assert len(alone) == 3
    assert len(set(alone)) == 3
    loops = [command for command in HERE if "loop.py" in command]
    assert len(loops) == 2
    for command in loops:
        assert losses(launched(command)) == pytest.approx(alone, abs=2e-5), command
        assert Path("adapters/style/adapter.safetensors").is_file()


@pytest.mark.slow
def test_trainer() -> None:
    """Started, and resumed from half-way; accelerate starts more than one process on accelerators alone."""
    start, resume, accelerate = (command for command in HERE if "train.py" in command)
    first = losses(launched(start))
    shutil.rmtree("run/checkpoint-4")
    assert len(first) == 4
    assert losses(launched(resume)) == first[2:]
    assert losses(launched(accelerate)) == losses(launched("torchrun --nproc-per-node 1 train.py"))
    assert sorted(path.name for path in Path("run").iterdir()) == ["checkpoint-2", "checkpoint-4"]
    assert Path("run/checkpoint-4/mood/adapter.safetensors").is_file()
    assert not list(Path("run/checkpoint-4").glob("model*"))
