"""Where is `adapters`, which version is it, and which transformers does that version pin?"""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from adaptergen import transaction
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.settings import Settings
from adaptergen.upstream import Upstream
from adaptergen.workspace import Workspace


LIBRARY = ">=1.3,<1.4"
TRANSFORMERS = ">=4.57.6,<4.58"  # what that library pins
PLACES = ("src/adapters", "adapters")  # in its repository, and beside other packages
LANDMARKS = ("__init__.py", "model_mixin.py", "models/__init__.py", "wrappers/configuration.py")
ENVIRONMENTS = ("site-packages", "dist-packages")


class Checkout(Struct, frozen=True):
    """A copy of `adapters`: its repository, or a folder with the package alone."""

    workspace: Workspace
    package: str  # the folder of the package, relative to the copy

    def inside(self, path: str) -> str:
        """A path of the package, relative to the copy."""
        return f"{self.package}/{path}"

    def read(self, path: str) -> str | None:
        return self.workspace.read(path)


def find_checkout(folder: Path) -> Checkout:
    """The copy of `adapters` in a folder; what an interrupted run left half-done there is taken back.

    Raises:
        ProblemsFound: there is none, it is another version, or it is what an environment runs.
    """
    root = folder.resolve()
    package = next((place for place in PLACES if _is_library(root / place)), None)
    if package is None:
        fix = "give the root of a checkout of adapter-hub/adapters, or a folder that has a copy of the package"
        raise ProblemsFound(Problem("no-adapters", "the library adapters is not there", Location(str(folder)), fix))
    if root.name in ENVIRONMENTS:
        message = "this is what an environment runs, not a copy"
        fix = "copy the folder `adapters` of it somewhere else, and give that place"
        raise ProblemsFound(Problem("installed-adapters", message, Location(str(folder)), fix))
    transaction.recover(root)
    checkout = Checkout(Workspace(root, Settings()), package)
    _check_version(checkout)
    return checkout


def check_transformers(upstream: Upstream) -> None:
    """
    Raises:
        ProblemsFound: this transformers is not the one that the library pins.
    """
    if not _is_in(upstream.version, TRANSFORMERS):
        message = f"transformers {upstream.version} is not what adapters {LIBRARY} runs on: {TRANSFORMERS}"
        fix = "give that one with --source-tree: a checkout of transformers, or the package of an environment"
        raise ProblemsFound(Problem("wrong-transformers", message, Location(str(upstream.root)), fix))


def _is_library(folder: Path) -> bool:
    return all((folder / name).is_file() for name in LANDMARKS)


def _check_version(checkout: Checkout) -> None:
    path = checkout.inside("__init__.py")
    found = re.search(r'^__version__ = "([^"]+)"', checkout.read(path) or "", re.MULTILINE)
    version = found[1] if found else "unknown"
    if not _is_in(version, LIBRARY):
        message = f"adapters {version} is not a version that this profile knows: {LIBRARY}"
        raise ProblemsFound(Problem("wrong-adapters", message, Location(path), "give a copy of adapters 1.3"))


def _is_in(version: str, known: str) -> bool:
    try:
        return Version(version) in SpecifierSet(known, prereleases=True)
    except InvalidVersion:
        return False
