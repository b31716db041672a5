"""The option that writes golden files anew, and the project that tests of the commands start from."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests_adapters.generator.projects import done, two_models
from tests_adapters.generator.trees import copied, make_project


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-goldens",
        action="store_true",
        help="write the golden files beside the cases from what the code gives now; review what changed",
    )


@pytest.fixture
def write_goldens(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--write-goldens"))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which Python finds a transformers of two models, `case` and `my_case`."""
    return found_first(tmp_path / "site", monkeypatch)


def found_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    two_models(folder)
    monkeypatch.delitem(sys.modules, "transformers", raising=False)
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def project(tmp_path: Path, site: Path) -> Path:
    """A project without models, beside that transformers."""
    return make_project(tmp_path / "project")


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The projects `one` and `two`, made once: to be copied, not to be changed."""
    folder = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as monkeypatch:
        found_first(folder / "site", monkeypatch)
        done(make_project(folder / "one"), "add-model", "case", "--no-verify")
        done(copied(folder / "one", folder / "two"), "add-model", "my_case", "--no-verify")
    return folder


@pytest.fixture
def one(tmp_path: Path, site: Path, filled: Path) -> Path:
    """A project with the model `case`."""
    return copied(filled / "one", tmp_path / "project")


@pytest.fixture
def two(tmp_path: Path, site: Path, filled: Path) -> Path:
    """A project with both models."""
    return copied(filled / "two", tmp_path / "project")
