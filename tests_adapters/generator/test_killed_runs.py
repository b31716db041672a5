"""Whenever a command is killed, the tree is as before or as after, and the next command needs no advice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests_adapters.generator.projects import python


ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "utils/killed_runs.py"
CARELESS = f"""\
import runpy, shutil, sys
from adaptergen import transaction

transaction._undo = lambda root, staging: None
sys.argv[1:] = ["--start", "64", "--count", "1"]
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
"""
WORKING = """\
import os, time
from adaptergen.processes import shared_out

def work(number):
    time.sleep(0.1)
    return os.getpid()

if __name__ == "__main__":
    for process in shared_out(work, range(1000), 2):
        print(process, flush=True)
"""


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_at_random_moments(count: int) -> None:
    result = python(str(SCRIPT), "--count", str(count), PYTHONPATH=str(ROOT))

    assert (result.returncode, result.stderr) == (0, "")
    assert sum(map(int, re.findall(r" (\d+) ", result.stdout))) == count


def test_what_is_not_taken_back_is_noticed() -> None:
    """A draw that kills where files have been moved."""
    result = python("-c", CARELESS, PYTHONPATH=str(ROOT))

    assert result.returncode == 1
    assert "1 wrong" in result.stdout
    assert "the next command leaves the tree half-written" in result.stderr


def test_processes_end_with_the_one_that_they_work_for(tmp_path: Path) -> None:
    (tmp_path / "working.py").write_text(WORKING)
    parent = subprocess.Popen(
        [sys.executable, "working.py"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    )
    seen = {int(parent.stdout.readline()) for _ in range(4)}
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    end = time.monotonic() + 60
    while any(map(is_alive, seen)) and time.monotonic() < end:
        time.sleep(0.05)

    assert not any(map(is_alive, seen))


def is_alive(process: int) -> bool:
    """Not one that nobody has asked how it ended."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
