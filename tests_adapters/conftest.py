"""Assertions in shared suites explain themselves as those in test modules do, every worker keeps to one core, and
what is generated in memory is kept beside pytest's own cache."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest


for setting in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # read when torch is imported; tiny models gain nothing by more
    os.environ.setdefault(setting, "1")

os.environ["ADAPTERGEN_CACHE"] = str(Path(__file__).parent.parent / ".pytest_cache" / "adaptergen")

pytest.register_assert_rewrite("tests_adapters.core.suite", "tests_adapters.core.heads.conversion_suite")

from tests_adapters.core.upstream import report  # noqa: E402
from tests_adapters.core.upstream.report import pytest_configure, pytest_terminal_summary  # noqa: E402, F401


def pytest_addoption(parser: pytest.Parser) -> None:
    report.pytest_addoption(parser)
    parser.addoption("--site", metavar="FOLDER", help="look at the pages built there in a browser: `make docs-test`")
    parser.addoption("--device", metavar="DEVICE", help="run tests of accelerators on it: `make test-gpu`")


NEEDED = {"site": "--site", "accelerator": "--device"}  # what a folder is not collected without


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    needed = NEEDED.get(collection_path.name)
    return True if needed and not config.getoption(needed) else None


@pytest.hookimpl(wrapper=True)
def pytest_report_teststatus(report: pytest.TestReport) -> Generator[None, tuple[str, str, object]]:
    """A test that fails is named when it does: the end of a suite may be hours away."""
    outcome, letter, word = yield
    if report.failed:
        where = report.longreprtext.rpartition("\n")[2]  # path, line and exception
        letter = f"\n{letter} {report.nodeid} ({where})\n"
    return outcome, letter, word


@pytest.fixture
def without_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if adaptergen were not installed."""
    from generated.core import providers

    monkeypatch.setattr(providers, "providers", lambda: ())
    monkeypatch.setattr(providers, "_packages", {})
    monkeypatch.setattr(providers, "_refusals", {})
