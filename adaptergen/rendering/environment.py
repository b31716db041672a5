"""The Jinja environment: templates that fail on a missing value and can only use the filters below."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from adaptergen.rendering.compiled import CompiledTemplates


def environment(templates: Path) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        bytecode_cache=CompiledTemplates(),
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
    """A Python string literal in double quotes; what cannot be seen is escaped."""
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{"".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in escaped)}"'


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
    """Text that stays within its cell of a Markdown table, or its line, and has no meaning there."""
    return _no_block(re.sub(r"([\\|<>`*_\[\]&~])", r"\\\1", _on_one_line(text)))


def rst(text: str) -> str:
    """Text without meaning to reStructuredText, also where it begins a block."""
    return _no_block(re.sub(r"([\\*`|_<>]|:(?=:))", r"\\\1", _on_one_line(text)))


def _no_block(text: str) -> str:
    """The first sign does not make a list, a heading, a comment or a directive of it."""
    return re.sub(r"^(?=[!-'*-/:-@\[\]-`{-~]|\(?\w+[.)]\s)", r"\\", text)


def columns(text: str) -> int:
    """How wide a line is, as underlines count: some letters take two columns."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def _on_one_line(text: str) -> str:
    return "".join(sign for sign in " ".join(text.split()) if sign.isprintable())
