"""On which line of a plan does an entry stand? The parser of the standard library does not tell.

line_of(text, "layers[0].projections[1].roles[0]")      the line of `roles` in the second [[layers.projections]]
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator


HEADER = re.compile(r"\s*\[(\[)?\s*([\w\s.\"'-]+?)\s*\]\]?\s*(#.*)?$")
QUOTES = '"""'  # around texts of several lines
KEY = re.compile(r"\s*([\w-]+|\"[^\"]*\"|'[^']*')\s*=")


def line_of(text: str, where: str) -> int:
    """The line of an entry, of the nearest table around it that has one, or 0."""
    lines = dict(_lines(text))
    while where and where not in lines:
        where = re.sub(r"(\[\d+\]|\.?[^.\[\]]+)$", "", where)
    return lines.get(where, 0)


def _lines(text: str) -> Iterator[tuple[str, int]]:
    """(entry, line) of every table and every key that is written on a line of its own; later ones count."""
    table, counts = "", Counter[str]()
    in_text = False
    for number, line in enumerate(text.split("\n"), start=1):
        was_in_text, in_text = in_text, in_text != bool(line.count(QUOTES) % 2)
        if was_in_text:
            continue
        if header := HEADER.match(line):
            table = _table(header[2], bool(header[1]), counts)
            yield table, number
        elif key := KEY.match(line):
            yield f"{table}.{_plain(key[1])}".lstrip("."), number


def _table(dotted: str, is_listed: bool, counts: Counter[str]) -> str:
    """`layers.projections` as `layers[0].projections[1]`, by how many of each were met."""
    path = ""
    parts = [_plain(part) for part in dotted.split(".")]
    for position, part in enumerate(parts):
        path = f"{path}.{part}".lstrip(".")
        if is_listed and position == len(parts) - 1:
            counts[path] += 1
        if counts[path]:
            path = f"{path}[{counts[path] - 1}]"
    return path


def _plain(name: str) -> str:
    return name.strip().strip("\"'")
