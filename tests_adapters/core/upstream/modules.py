"""How are transformers' tests imported? As a package under a name of its own, wherever they lie: a project may have a
package `tests`, too.

A source distribution leaves folders out that its modules import from. What they would take from there is empty: a
mixin brings no tests, and a test that calls something skips itself, with the module that is not there as its reason.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import unittest
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from tests_adapters.core.upstream.archive import NotAtHand, located


PACKAGE = "transformers_tests"


@cache
def upstream_module(name: str) -> ModuleType:
    """
    A module of transformers' tests, e.g. `test_modeling_common`.

    Raises:
        NotAtHand: there are no tests of transformers, or something that they import.
    """
    if PACKAGE not in sys.modules:
        package = ModuleType(PACKAGE)
        package.__path__ = [str(located())]
        sys.modules[PACKAGE] = package
        sys.meta_path.append(_LeftOutFinder())
    try:
        return importlib.import_module(f"{PACKAGE}.{name}")
    except ModuleNotFoundError as missing:
        raise NotAtHand(f"transformers' tests import {missing.name}, which is not installed") from missing


def is_left_out(name: str) -> bool:
    """Is this module one that the tests at hand lack?"""
    return not (located() / Path(*name.split("."))).with_suffix(".py").is_file()


class _LeftOutFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Asked last: for what nobody else finds."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith(f"{PACKAGE}."):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _LeftOutModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Its names are made when they are asked for."""


class _LeftOutModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _left_out(self.__name__.removeprefix(f"{PACKAGE}."), name)


@cache
def _left_out(module: str, name: str) -> type:
    """An empty class, which may be a base, and which nobody can use otherwise."""

    def __new__(cls: type, *args: Any, **kwargs: Any) -> Any:
        if cls is empty:
            raise unittest.SkipTest(f"the distribution of transformers leaves tests/{module.replace('.', '/')}.py out")
        return object.__new__(cls)

    empty = type(name, (), {"__new__": __new__})
    return empty
