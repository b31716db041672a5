"""
How much of each architecture is tested when slow tests are left out? Everything that is not slow for those that stand
for all others, and the base model with one form of each method for the rest.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import generated.models
from tests_adapters.core.representatives import plans_below, representatives


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    in_full = representatives(plans_below(Path(generated.models.__file__).parent))
    for item in items:
        if item.get_closest_marker("thorough") and item.path.stem.removeprefix("test_") not in in_full:
            item.add_marker(pytest.mark.slow)
