"""Which flexible head equals the head of which transformers class, in the architecture of a model?

A project has one table for all of its models; a package that is in no project has its own.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from generated.core.heads.conversion import StaticHead
from generated.core.providers import is_provided
from generated.models import head_conversions


def convertible_heads(package: str) -> dict[str, StaticHead]:
    """By the name of the class, for the architecture of a generated package."""
    return _tables(package).STATIC_TO_FLEX_HEAD_MAP


def unconvertible_heads(package: str) -> dict[str, str]:
    """Why no flexible head equals that of a class."""
    return _tables(package).STATIC_HEADS_WITHOUT_FLEX_HEAD


def _tables(package: str) -> ModuleType:
    return importlib.import_module(f"{package}.tables") if is_provided(package) else head_conversions
