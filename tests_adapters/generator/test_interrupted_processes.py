"""What is left when a process is killed in the middle of writing, and what does a second one do meanwhile?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests_adapters.generator.projects import done, run
from tests_adapters.generator.trees import fingerprint


SIGNALLED = """\
import os, signal, sys
from pathlib import Path
from adaptergen.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is started without
replace, left = Path.replace, 9

def replace_nine(self, target):
    global left
    left -= Path(sys.argv[2]) in Path(target).parents
    if left == -1:
        os.kill(os.getpid(), int(sys.argv[1]))
    return replace(self, target)

Path.replace = replace_nine
main(["-C", *sys.argv[2:], "add-model", "case", "--no-verify"], prog_name="adaptergen")
"""


def started(project: Path, site: Path, number: signal.Signals) -> subprocess.Popen[str]:
    """A process that adds a model, and gets a signal when it has moved some files into place."""
    return subprocess.Popen(
        [sys.executable, "-c", SIGNALLED, str(int(number)), str(project)],
        env={"PYTHONPATH": str(site)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_run_after_a_killed_one_finds_the_old_tree(project: Path, site: Path, number: signal.Signals) -> None:
    """Also a run that only looks; and adding the model then succeeds."""
    before = fingerprint(project)
    process = started(project, site, number)
    assert process.communicate() == ("", "")
    half = fingerprint(project)

    assert process.returncode == -number
    assert "generated/models/case" in {*half} - {*before}
    assert done(project, "list") == ""
    assert fingerprint(project) == before
    assert "create  generated/models/case/plan.toml" in done(project, "add-model", "case", "--no-verify")
    assert done(project, "check") == "1 model is as adaptergen writes them\n"


def test_ctrl_c_leaves_the_old_tree(project: Path, site: Path) -> None:
    before = fingerprint(project)
    process = started(project, site, signal.SIGINT)

    assert process.communicate() == ("", "\nAborted!\n")
    assert process.returncode == 1
    assert fingerprint(project) == before


def test_a_second_run_is_told_to_wait(project: Path, site: Path) -> None:
    """The first one is not disturbed, and ends as if it had been alone."""
    process = started(project, site, signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    half = fingerprint(project)
    second = run(project, "add-model", "my_case", "--no-verify")
    assert fingerprint(project) == half
    process.send_signal(signal.SIGCONT)
    printed, complained = process.communicate()

    assert second.exit_code == 1
    assert second.stderr == (
        f"{project}/.adaptergen: error[busy]: another adaptergen is writing into this project\n"
        f"  fix: wait for process {process.pid} to finish\n"
    )
    assert (process.returncode, complained) == (0, "")
    assert "create  generated/models/case/plan.toml" in printed
    assert done(project, "check") == "1 model is as adaptergen writes them\n"


def test_a_tree_that_cannot_be_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the command tells it; root is not stopped by permissions, so that the disk has to refuse."""
    before = fingerprint(project)
    mkdir = Path.mkdir

    def refuse(path: Path, *arguments: object, **more: object) -> None:
        if path.name == ".adaptergen":
            raise PermissionError(13, "Permission denied", str(path))
        mkdir(path, *arguments, **more)

    monkeypatch.setattr(Path, "mkdir", refuse)
    result = run(project, "add-model", "case", "--no-verify")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"{project}/.adaptergen: error[not-written]: cannot be written: Permission denied; nothing was changed\n"
        "  fix: make the folder writable, or free some space, and run the command again\n"
    )
    assert fingerprint(project) == before


def test_a_tree_that_cannot_be_written_can_be_looked_at(one: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    for command in (["check"], ["list"], ["plan", "case"], ["update", "case", "--no-verify"]):
        assert done(one, *command)
