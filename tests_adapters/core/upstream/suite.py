"""The part of a generated test module that runs transformers' own tests."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import ClassVar

import pytest

from adaptergen.verify.subjects import ModelCase
from tests_adapters.core.upstream.archive import NotAtHand
from tests_adapters.core.upstream.cases import test_names
from tests_adapters.core.upstream.flavours import Flavour, flavours
from tests_adapters.core.upstream.outcomes import run_upstream_test, why
from tests_adapters.core.upstream.report import KIND, OPTION, WHY


Recorder = Callable[[str, object], None]


class UpstreamTests:
    """Each test that transformers runs on its models, over the model with flexible heads, and over all others."""

    case: ClassVar[ModelCase]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "upstream_test" not in metafunc.fixturenames:
            return
        everything = metafunc.config.getoption(OPTION, default=False)
        try:
            names: tuple[object, ...] = test_names(self.case)
        except NotAtHand as problem:
            names = (pytest.param("none", marks=pytest.mark.skip(reason=str(problem))),)
        tested = list(flavours(self.case, everything=everything))
        metafunc.parametrize("flavour", tested, ids=[each.label for each in tested])
        metafunc.parametrize("upstream_test", names)

    def test_upstream(self, flavour: Flavour, upstream_test: str, record_property: Recorder) -> None:
        record_property(KIND, str(flavour.kind))
        try:
            run_upstream_test(flavour, upstream_test)
        except unittest.SkipTest as skipped:
            record_property(WHY, why(skipped))
            raise
