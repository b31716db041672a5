"""Who makes the package of an architecture for which none was generated, and how is such a package imported?

A provider is an entry point of the group "generated.providers"; the package adaptergen has one. It is a module with

    provide(module, file) -> Path        the folder of a package for the modeling file that is imported as `module`;
                                         ValueError says why there can be none
    locate(name) -> Path | None          the folder that `provide` once gave, when a pickled model needs it

The folder is called as the package is below `generated.models`. No provider is loaded before it is needed.
"""

from __future__ import annotations

import hashlib
import re
import sys
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.metadata import EntryPoint, entry_points
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

import transformers
from transformers.utils import logging

from generated.core.errors import UnsupportedModelError
from generated.models import MODEL_PACKAGES


logger = logging.get_logger(__name__)

GROUP = "generated.providers"
MODELS = "generated.models"
NAME = re.compile(r"([a-z][a-z0-9_]*)_[0-9a-f]{12}")

_folders: dict[str, Path] = {}  # package → its folder
_packages: dict[tuple[str, str], str] = {}  # (module of the modeling file, its digest) → package
_refusals: dict[tuple[str, str], str] = {}  # the same → why there is no package


@cache
def providers() -> tuple[ModuleType, ...]:
    """All that are installed, with everything that they import."""
    return tuple(filter(None, map(_loaded, entry_points(group=GROUP))))


def _loaded(found: EntryPoint) -> ModuleType | None:
    try:
        return found.load()
    except ImportError as error:
        logger.warning("no adapters are generated in memory by %s: %s", found.name, error)
        return None


def architecture_of(package: str) -> str:
    """`gptj` for `generated.models.gptj` and for a package that a provider made: what `adaptergen` calls it."""
    name = package.rpartition(".")[2]
    provided = NAME.fullmatch(name)
    return provided.group(1) if provided else name


def is_provided(package: str) -> bool:
    return package in _folders


def add_package(folder: Path) -> str:
    """
    Let the package in a folder be imported.

    Returns:
        Its import name.
    """
    package = f"{MODELS}.{folder.name}"
    source = tomllib.loads((folder / "plan.toml").read_text(encoding="utf-8"))["source"]
    _folders[package] = folder
    _packages[source["module"], source["sha256"]] = package
    return package


def provided_package(module: str) -> str | None:
    """
    The import name of a package for an imported modeling file, made now or earlier; None where nobody makes any.

    Raises:
        UnsupportedModelError: adapters cannot be put into this file, and why.
    """
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or not Path(file).is_file():
        return None
    key = module, hashlib.sha256(Path(file).read_bytes()).hexdigest()
    if key not in _packages and key not in _refusals:
        _ask(key, file)
    if key in _refusals:
        raise UnsupportedModelError(f"adapters cannot be generated for {module}: {_refusals[key]}")
    return _packages.get(key)


def _ask(key: tuple[str, str], file: str) -> None:
    """The first provider that has a package wins; what others say of the file is forgotten then."""
    module = key[0]
    for provider in providers():
        try:
            folder = provider.provide(module, file)
        except ValueError as reason:
            _refusals[key] = str(reason)
            continue
        _refusals.pop(key, None)
        package = _packages[key] = add_package(folder)
        logger.warning(
            "adapters for %s of transformers %s were generated in memory; %s",
            module,
            transformers.__version__,
            _advice(module, package),
        )
        return


def _advice(module: str, package: str) -> str:
    if module in MODEL_PACKAGES:
        return "those in your project are for another release: `adaptergen update --all` brings it up to date"
    return f"`adaptergen add-model {architecture_of(package)}` writes them into your project"


class _Loader(SourceFileLoader):
    """Runs the file itself: bytecode beside it may be that of another file."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


class _Finder(MetaPathFinder):
    """Finds provided packages, also those that a pickled model of another process names, and their modules."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parent, _, name = fullname.rpartition(".")
        if parent == MODELS and NAME.fullmatch(name):
            folder = _folder(fullname)
            return _spec(fullname, folder / "__init__.py", is_package=True) if folder else None
        if parent in _folders:
            return _spec(fullname, _folders[parent] / f"{name}.py")
        return None


def _folder(package: str) -> Path | None:
    if package not in _folders:
        found = (provider.locate(package.rpartition(".")[2]) for provider in providers())
        folder = next((folder for folder in found if folder is not None), None)
        if folder is not None:
            add_package(folder)
    return _folders.get(package)


def _spec(fullname: str, file: Path, *, is_package: bool = False) -> ModuleSpec | None:
    """No folder is searched for the modules of a package: only this finder knows them."""
    if not file.is_file():
        return None
    loader = _Loader(fullname, str(file))
    spec = spec_from_file_location(fullname, file, loader=loader)
    if spec is not None and is_package:
        spec.submodule_search_locations = []  # set here: an empty list that is passed is filled with the folder
    return spec


sys.meta_path.append(_Finder())
