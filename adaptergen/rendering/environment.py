"""The Jinja environment: templates that fail on a missing value and can only use the filters below."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2


def environment(templates: Path) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    made.filters.update(quoted=quoted, literal=literal, cell=cell, rst=rst)
    made.globals.clear()
    return made


def quoted(text: object) -> str:
    """A Python string literal in double quotes."""
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def literal(value: object) -> str:
    """A Python literal as a formatter writes it, on one line."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quoted(key)}: {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(literal, value)) + "]"
    return repr(value)


def cell(text: str) -> str:
    """Text that stays within its cell of a Markdown table."""
    return re.sub(r"([\\|<>`*_\[\]])", r"\\\1", " ".join(text.split()))


def rst(text: str) -> str:
    """Text without meaning to reStructuredText."""
    return re.sub(r"([\\*`|_<>])", r"\\\1", " ".join(text.split()))
