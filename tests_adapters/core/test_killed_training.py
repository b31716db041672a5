"""Training that is killed, and goes on from its checkpoints, ends as if nobody had killed it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


SCRIPT = Path(__file__).parents[2] / "utils/killed_training.py"
WHAT = ("killed", "from the start", "from the last", "from one before", "alike", "wrong")


def said(*options: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, of one thread, which is forked many times."""
    return subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True, check=False)


def counted(output: str) -> dict[str, int]:
    return {what: sum(map(int, re.findall(rf"(\d+) {what}", output))) for what in WHAT}


@pytest.mark.slow
def test_killed_at_random_moments() -> None:
    """Trainings of each kind of checkpoint, also while one is written, so that one before it is taken."""
    result = said("--count", "50")

    assert (result.returncode, "draw" in result.stderr) == (0, False)
    found = counted(result.stdout)
    assert (found["alike"], found["wrong"]) == (50, 0)
    assert found["killed"] > 50
    assert all(found[what] > 5 for what in ("from the start", "from the last", "from one before"))


def test_killed_a_few_times() -> None:
    """While the first checkpoint is written, or the second."""
    result = said("--count", "1", "--start", "4")

    assert (result.returncode, "draw" in result.stderr) == (0, False)
    found = counted(result.stdout)
    assert (found["killed"], found["alike"], found["wrong"]) == (3, 1, 0)


@pytest.mark.slow
def test_a_new_optimizer_is_noticed() -> None:
    result = said("--count", "1", "--start", "4", "--careless")

    assert result.returncode == 1
    assert re.search(r"lora, draw 4: step .*\n  other losses and weights", result.stderr)
