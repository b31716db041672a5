"""What is said, and what is left, where the system itself refuses to write? Nothing here is made up but the limits."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests_adapters.generator.projects import done
from tests_adapters.generator.trees import fingerprint


DROP_FROM_BOUNDS, OVERRIDE, SEARCH = 24, 1, 2  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
LARGEST = 3000  # bytes; a modeling file is larger
FIX = "  fix: make the folder writable, or free some space, and run the command again\n"


def bound_by_permissions() -> None:
    """Root is not, unless it gives that up."""
    if os.geteuid() == 0:
        for power in (OVERRIDE, SEARCH):
            ctypes.CDLL(None).prctl(DROP_FROM_BOUNDS, power, 0, 0, 0)


def bound_in_size() -> None:
    """No file may be larger: what a disk does that has become full in the middle of it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))


SMALL_DISKS = """\
import subprocess, sys
from pathlib import Path
from tests_adapters.generator.projects import run
from tests_adapters.generator.trees import copied, fingerprint

project, folder = map(Path, sys.argv[1:])
before = fingerprint(project)
for pages in range(20, 32):
    disk = folder / str(pages)
    disk.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={pages * 4}k", "none", str(disk)], check=True)
    result = run(copied(project, disk / "project"), "add-model", "case", "--no-verify")
    state = "as before" if fingerprint(disk / "project") == before else "other"
    print(result.exit_code, state, result.stderr.partition("error")[2].partition("\\n")[0])
"""
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


def add(project: Path, site: Path, limit: Callable[[], None]) -> subprocess.CompletedProcess[str]:
    return python(limit, site, "-m", "adaptergen", "-C", str(project), "add-model", "case", "--no-verify")


def python(limit: Callable[[], None], site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", *arguments], env={"PYTHONPATH": f"{site}:{Path(__file__).parents[2]}"},
        preexec_fn=limit, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def permissions(tmp_path: Path, site: Path) -> Callable[[], None]:
    """What makes them hold for a process, if anything does."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    made = python(bound_by_permissions, site, "-c", f"import os; os.mkdir({str(locked / 'x')!r})")
    if made.returncode == 0:
        pytest.skip("this process may write anywhere, and cannot give that up")
    return bound_by_permissions


@pytest.mark.parametrize("folder", [".", "generated/models", "tests_adapters"])
def test_a_folder_that_is_read_only(project: Path, site: Path, permissions: Callable[[], None], folder: str) -> None:
    """Also one that is met when other files are in place already."""
    (project / "tests_adapters/models").mkdir(parents=True)
    (project / folder).chmod(0o555)
    (project / "tests_adapters/models").chmod(0o555 if folder == "tests_adapters" else 0o755)
    before = fingerprint(project)
    result = add(project, site, permissions)

    assert (result.returncode, result.stdout) == (1, "")
    assert "error[not-written]: cannot be written: Permission denied; nothing was changed\n" in result.stderr
    assert result.stderr.startswith(str(project / folder).removesuffix("/."))
    assert result.stderr.endswith(FIX)
    assert fingerprint(project) == before


def test_a_file_that_may_not_be_read(project: Path, site: Path, permissions: Callable[[], None]) -> None:
    table = project / "utils/check_adapters.py"
    before = fingerprint(project)
    table.chmod(0o000)
    result = add(project, site, permissions)
    table.chmod(0o644)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "utils/check_adapters.py: error[unreadable]: cannot be read: Permission denied\n"
        "  fix: put a readable file there\n"
    )
    assert fingerprint(project) == before


def test_small_disks(project: Path, site: Path) -> None:
    """Real ones, in memory, each a little larger than the one before: the last has room for the model."""
    try:
        subprocess.run([*NAMESPACE, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this process may not make a disk of its own")
    result = subprocess.run(
        [*NAMESPACE, sys.executable, "-B", "-c", SMALL_DISKS, str(project), str(site.parent / "disks")],
        env={**os.environ, "PYTHONPATH": f"{site}:{Path(__file__).parents[2]}"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = result.stdout.splitlines()
    full = [line for line in lines if line != "0 other "]

    assert lines[-1] == "0 other "
    assert len(full) > 2
    assert {*full} == {"1 as before [not-written]: cannot be written: No space left on device; nothing was changed"}


def test_files_that_may_not_be_large(project: Path, site: Path) -> None:
    before = fingerprint(project)
    result = add(project, site, bound_in_size)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"{project}: error[not-written]: cannot be written: File too large; nothing")
    assert fingerprint(project) == before
    assert "create  generated/models/case/plan.toml" in done(project, "add-model", "case", "--no-verify")
