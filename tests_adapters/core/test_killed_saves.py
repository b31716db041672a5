"""A process that is killed while it saves leaves what was there, what it saved, or what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


SCRIPT = Path(__file__).parents[2] / "utils/killed_saves.py"
EVERY = 12


def said(*options: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, of one thread, which is forked many times."""
    return subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("every", [EVERY, pytest.param(1, marks=pytest.mark.slow)])
def test_no_mixture_is_loaded(every: int) -> None:
    result = said("--every", str(every), "--times", "0" if every > 1 else "10")

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("    0 wrong") == 10


def test_mixtures_are_noticed() -> None:
    result = said("--careless", "--every", "3", "--times", "0")

    assert result.returncode == 1
    assert "it is neither the old one nor the new one" in result.stderr
