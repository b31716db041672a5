"""Assertions in shared suites explain themselves as those in test modules do."""

import pytest


pytest.register_assert_rewrite("tests_adapters.core.model_suite", "tests_adapters.core.heads.conversion_suite")
