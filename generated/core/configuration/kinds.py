"""Is a value what the annotation of its field says, and how is that said in words?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin


WORDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text", NoneType: "None"}


def is_of_kind(value: Any, kind: Any) -> bool:
    """Whole numbers are numbers, too; what is neither finite nor a number is none; True and False are no numbers."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(is_of_kind(value, each) for each in inner)
    if origin is list:
        return isinstance(value, list) and all(is_of_kind(each, inner[0]) for each in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(is_of_kind(each, inner[1]) for each in value.values())
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and _is_finite(value)
    return isinstance(value, kind)


def told(kind: Any) -> str:
    """`a number or a text`"""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(map(told, inner))
    if origin is list:
        return f"a list, of which each is {told(inner[0])}"
    if origin is not None:
        return f"a mapping, to {told(inner[1])}"
    return WORDS[kind]


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False
