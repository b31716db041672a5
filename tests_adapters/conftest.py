"""Assertions in shared suites explain themselves as those in test modules do, and every worker keeps to one core."""

import os

import pytest


for setting in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # read when torch is imported; tiny models gain nothing by more
    os.environ.setdefault(setting, "1")

pytest.register_assert_rewrite("tests_adapters.core.model_suite", "tests_adapters.core.heads.conversion_suite")
