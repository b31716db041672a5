"""Is everything that this project is built from pinned, and does nothing run when it is installed?"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path


ROOT = Path(__file__).parents[2]
PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([0-9][0-9A-Za-z.!+]*)")
UNLOCKED = {"torch"}  # its CPU build comes from another index, with other digests


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> dict[str, str]:
    found = [PIN.fullmatch(line) for line in (ROOT / "constraints.txt").read_text().splitlines()]
    assert all(found)
    return {canonical(match[1]): match[2] for match in found}


def test_each_package_has_one_exact_version() -> None:
    assert len(pinned()) == len((ROOT / "constraints.txt").read_text().splitlines())


def test_what_is_asked_for_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    asked = [
        *project["project"]["dependencies"],
        *project["build-system"]["requires"],
        *(x for e in extras for x in e),
    ]

    assert {canonical(re.match(r"[\w.-]+", one)[0]) for one in asked} <= {*pinned()}


def test_the_lock_has_digests_of_the_same_versions() -> None:
    text = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    locked = {}
    for entry in entries:
        first, *digests = [line.strip().removesuffix(" \\") for line in entry.splitlines()]
        name, version = PIN.fullmatch(first).groups()
        locked[canonical(name)] = version
        assert digests
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", digest) for digest in digests)

    assert locked == {name: version for name, version in pinned().items() if name not in UNLOCKED}


def test_nothing_runs_when_it_is_installed() -> None:
    """hatchling copies files; it runs code only for hooks and plugins, and there are none."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert pyproject["build-system"] == {"requires": ["hatchling>=1.26"], "build-backend": "hatchling.build"}
    assert not [name for name in ("setup.py", "setup.cfg", "hatch_build.py", "build.py") if (ROOT / name).exists()]
    assert pyproject["tool"]["hatch"].keys() <= {"version", "build"}
    assert pyproject["tool"]["hatch"]["version"].keys() == {"path"}
    assert pyproject["tool"]["hatch"]["build"].keys() == {"targets"}
    assert all("hooks" not in target for target in pyproject["tool"]["hatch"]["build"]["targets"].values())
    assert not [*ROOT.glob("*.pth"), *ROOT.glob("adaptergen/**/*.pth"), *ROOT.glob("generated/**/*.pth")]
