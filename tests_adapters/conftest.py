"""Assertions in shared suites explain themselves as those in test modules do, every worker keeps to one core, and
what is generated in memory is kept beside pytest's own cache."""

import os
from pathlib import Path

import pytest


for setting in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # read when torch is imported; tiny models gain nothing by more
    os.environ.setdefault(setting, "1")

os.environ["ADAPTERGEN_CACHE"] = str(Path(__file__).parent.parent / ".pytest_cache" / "adaptergen")

pytest.register_assert_rewrite("tests_adapters.core.suite", "tests_adapters.core.heads.conversion_suite")

from tests_adapters.core.upstream.report import (  # noqa: E402, F401
    pytest_addoption,
    pytest_configure,
    pytest_terminal_summary,
)


@pytest.fixture
def without_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if adaptergen were not installed."""
    from generated.core import providers

    monkeypatch.setattr(providers, "providers", lambda: ())
    monkeypatch.setattr(providers, "_packages", {})
    monkeypatch.setattr(providers, "_refusals", {})
