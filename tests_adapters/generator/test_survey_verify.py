"""Does `survey --verify` run architectures within its limits, and keep what it found for the next run?"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests_adapters.generator.projects import run


ROOT = Path(__file__).parents[2]


def test_an_architecture_that_takes_too_long(tmp_path: Path) -> None:
    log = tmp_path / "failures"
    result = run(ROOT, "survey", "bert", "--verify", "--timeout", "0.1", "--log", str(log), "--jobs", "1")

    assert result.exit_code == 1
    assert "was not run to the end in 0.1 s" in result.stderr
    assert (log / "bert.txt").read_text() == "was not run to the end in 0.1 s\n"


@pytest.mark.slow
def test_what_is_proven_is_not_run_again(tmp_path: Path) -> None:
    file = tmp_path / "survey.json"
    arguments = ("survey", "bert", "stablelm", "--verify", "--fail-unproven", "--json", str(file))
    assert "error[not-proven]" not in run(ROOT, *arguments).stderr
    first = file.read_bytes()
    cells = json.loads(first)["architectures"]["bert"]["methods"].values()
    assert all(cell["proven"] for cell in cells)

    started = time.monotonic()
    run(ROOT, *arguments)
    assert file.read_bytes() == first
    assert time.monotonic() - started < 10


def test_another_source_tree_cannot_be_run(project: Path, tmp_path: Path) -> None:
    result = run(project, "survey", "--verify", "--source-tree", str(tmp_path))

    assert result.exit_code == 2
    assert "about the installed transformers" in result.stderr
