"""A copy of the project, in which a script may change whatever it likes, and commands that run there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


ROOT = Path(__file__).parents[1]
COPIED = ("adapter_docs", "generated", "templates", "tests_adapters", "utils", "pyproject.toml", "README.md")
SPANNING_SET = ("gpt_neo", "bert", "distilbert", "gpt2", "llama", "bart", "t5", "vit", "whisper")


def copy_project(folder: Path) -> None:
    """Everything but the generator, which stays where it is."""
    for path in COPIED:
        ignored = shutil.ignore_patterns("__pycache__", "_build")
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, folder / path, ignore=ignored)
        else:
            shutil.copy(ROOT / path, folder / path)


def run(folder: Path, *arguments: str, python: str | Path = sys.executable) -> subprocess.CompletedProcess[str]:
    """Let Python do something in a copy, with the packages that are there."""
    paths = os.pathsep.join([str(folder), str(ROOT)])
    environment = {
        **os.environ,
        "PYTHONPATH": paths,
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    command = [str(python), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
