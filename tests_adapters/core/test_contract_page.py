"""The page that says what the tests assert: everything that it names exists, and nothing of the suite is left out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from adaptergen.verify.checks import ADAPTER_CHECKS, MODEL_CHECKS


ROOT = Path(__file__).parents[2]
PAGE = ROOT / "adapter_docs/test_contract.md"
FOLDERS = (ROOT / "adaptergen/verify/checks", ROOT / "tests_adapters/core")
SUITE = (*sorted((ROOT / "tests_adapters/core/suite").glob("*.py")), FOLDERS[1] / "heads/conversion_suite.py")

NAMED = re.findall(r"`([\w/]+\.py(?:::\w+)*)`", PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMED)
def test_what_it_names_exists(name: str) -> None:
    path, *inside = name.split("::")
    found = [folder / path for folder in FOLDERS if (folder / path).is_file()]
    assert len(found) == 1
    assert "::".join(inside) in {"", *defined_in(found[0])}


def test_all_checks_are_named() -> None:
    checks = [*MODEL_CHECKS, *(check.run for check in ADAPTER_CHECKS)]
    assert {f"{check.__module__.rpartition('.')[2]}.py::{check.__name__}" for check in checks} <= {*NAMED}


@pytest.mark.parametrize("path", SUITE, ids=lambda path: path.stem)
def test_all_tests_of_generated_modules_are_named(path: Path) -> None:
    tests = {name for name in defined_in(path) if name.rpartition("::")[2].startswith("test_")}
    assert {f"{path.relative_to(FOLDERS[1]).as_posix()}::{name}" for name in tests} <= {*NAMED}


def defined_in(path: Path) -> Iterator[str]:
    """Functions, classes and their methods, as pytest names them."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}::{each.name}" for each in node.body if isinstance(each, ast.FunctionDef))
