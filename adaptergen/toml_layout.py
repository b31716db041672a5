"""How does a table read as TOML: what is on the line of its key, and what stands below under a heading of its own?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import rtoml


LINE = 100
QUOTES, _ESCAPED_QUOTES = '"""', r'""\"'
Keys = tuple[str, ...]  # those that lead to a table, from the outermost on


def document(table: Mapping[str, Any]) -> str:
    """The text of nested dicts and lists, in their order: values of a table first, as TOML needs it."""
    return "\n".join(_lines(table, ())).lstrip("\n") + "\n"


def _lines(table: Mapping[str, Any], above: Keys) -> Iterator[str]:
    yield from (_entry(key, value) for key, value in table.items() if not _is_below(value))
    for key, value in table.items():
        inner = (*above, key)
        if _is_tables(value):
            for each in value:
                yield f"\n[[{_heading(inner)}]]"
                yield from _lines(each, inner)
        elif _is_below(value):
            if not value or not all(map(_is_below, value.values())):  # else its tables say that it is there
                yield f"\n[{_heading(inner)}]"
            yield from _lines(value, inner)


def _is_below(value: object) -> bool:
    return _is_tables(value) or (isinstance(value, dict) and not _fits(value))


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and value != [] and all(isinstance(each, dict) for each in value)


def _fits(value: dict[str, Any]) -> bool:
    """Free-form values without reasons of their own stay within the line of their key."""
    return (
        "because" not in value
        and not any(isinstance(held, dict) and not _fits(held) for held in value.values())
        and len(str(value)) < LINE
    )


def _entry(key: str, value: object) -> str:
    return f"{_key(key)} = {_written(value)}"


def _written(value: object) -> str:
    """A value on one line where it fits, a text of several lines as it reads."""
    if isinstance(value, dict):
        return f"{{{', '.join(_entry(*item) for item in value.items())}}}"
    if isinstance(value, list):
        written = [_written(each) for each in value]
        line = f"[{', '.join(written)}]"
        return line if len(line) <= LINE else "".join(["[\n", *(f"    {each},\n" for each in written), "]"])
    if isinstance(value, str):
        return _text(value) if "\n" in value else _string(value)
    return rtoml.dumps({"_": value}).removeprefix("_ = ").removesuffix("\n")


def _text(value: str) -> str:
    """With its line breaks; TOML leaves out one at the start."""
    lines = "\n".join(_ESCAPE.sub(_unescaped_quote, _string(line)[1:-1]) for line in value.split("\n"))
    first = "\n" if lines.startswith("\n") else ""
    return f"{QUOTES}{first}{lines.replace(QUOTES, _ESCAPED_QUOTES)}{QUOTES}"


_ESCAPE = re.compile(r"\\.")


def _unescaped_quote(escape: re.Match[str]) -> str:
    return '"' if escape[0] == r"\"" else escape[0]


def _string(value: str) -> str:
    """As JSON writes it, which escapes all that TOML wants to be escaped but one sign."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", r"\u007f")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _string(key)


def _heading(keys: Keys) -> str:
    return ".".join(map(_key, keys))
