"""TOML as people write it: what it says, or where it stops being TOML."""

from __future__ import annotations

import re
from typing import Any

import rtoml  # compiled: the standard library takes most of the time that the plans of a project take

from adaptergen.problems import Location, Problem, ProblemsFound


def read_toml(text: str, shown: str, *, code: str, fix: str) -> dict[str, Any]:
    """
    Args:
        shown: what people are told the file is called.
        code, fix: of the problem with it, if there is one.

    Raises:
        ProblemsFound: it is not TOML.
    """
    try:
        return rtoml.loads(text)
    except rtoml.TomlParsingError as error:
        line = re.search(r"at line (\d+)", str(error))
        at = Location(shown, int(line.group(1)) if line else 0)
        raise ProblemsFound(Problem(code, f"not valid TOML: {error}", at, fix)) from error
