"""Texts of plans as they may be shown: they come from other people's files."""

from __future__ import annotations

import unicodedata
from textwrap import wrap


MISSING = "\N{REPLACEMENT CHARACTER}"


def plain(text: str) -> str:
    """On one line, without what steers a terminal, turns the direction of a text, or is no character of XML."""
    return "".join(sign if sign.isprintable() else MISSING for sign in " ".join(text.split()))


def columns(text: str) -> int:
    """How many columns a text takes."""
    return sum(_columns(sign) for sign in text)


def shortened(text: str, room: int) -> str:
    """A text that fits into so many columns; what is in the middle is left out."""
    if columns(text) <= room:
        return text
    if room < 1:
        return ""
    head, tail = "", ""
    for turn in range(len(text)):
        longer = (head + text[turn // 2], tail) if turn % 2 == 0 else (head, text[-1 - turn // 2] + tail)
        if columns("".join(longer)) > room - 1:
            break
        head, tail = longer
    return f"{head}…{tail}"


def wrapped(text: str, room: int) -> list[str]:
    """Lines that fit into so many columns; words that do not fit are broken."""
    wide = max((_columns(sign) for sign in text), default=1)
    return wrap(text, max(room // max(wide, 1), 1), break_on_hyphens=False)


def _columns(sign: str) -> int:
    if unicodedata.combining(sign):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1
