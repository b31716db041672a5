"""SVG elements with texts that stay in their room: what is too long is shortened, and whole in a tooltip."""

from __future__ import annotations

import math
import unicodedata
from xml.etree.ElementTree import Element, SubElement

from msgspec import Struct

from adaptergen.picture.words import columns, plain, shortened, wrapped


MONO = 0.61  # of the font's size: the width of every sign of the usual monospaced fonts, with a little room
SANS = 0.56  # … of an average sign of the usual others
WIDE_SANS = 0.74  # … of capitals
PILL = 26  # height
PILL_SIZE = 12
PILL_SIDE = 11
GAP = 8


def text_width(text: str, size: float, *, mono: bool = False) -> float:
    """At least how much room a text needs: browsers have different fonts."""
    if mono:
        return columns(text) * MONO * size
    return sum(_sans(sign) for sign in text) * size


def _sans(sign: str) -> float:
    if unicodedata.east_asian_width(sign) in "WF":
        return 1.0
    return WIDE_SANS if sign.isupper() or sign in "mwMW%@&+=<>~" else SANS


def fitted(text: str, room: float, size: float, *, mono: bool = False) -> str:
    """The text, shortened if it needs more room."""
    shown = plain(text)
    each = MONO if mono else WIDE_SANS
    return shown if text_width(shown, size, mono=mono) <= room else shortened(shown, int(room / (each * size)))


def paragraph(text: str, room: float, size: float) -> list[str]:
    """The lines of a text that fit into the room."""
    return wrapped(plain(text), int(room / (SANS * size) * 0.96))


class Words(Struct, frozen=True):
    """A piece of a line of text in one look."""

    text: str
    look: str = ""
    mono: bool = False


def text_at(parent: Element, x: float, y: float, size: float, room: float, *pieces: Words, end: bool = False) -> None:
    """Write a line at a baseline, from `x`, or up to it. Pieces stand apart; the last ones are shortened first."""
    if not any(piece.text for piece in pieces):
        return
    place = {"x": number(x), "y": number(y), "font-size": number(size), **({"text-anchor": "end"} if end else {})}
    element = SubElement(parent, "text", place)
    for piece in filter(lambda piece: piece.text, pieces):
        gap = size if len(element) else 0
        shown = fitted(piece.text, room - gap, size, mono=piece.mono)
        if not shown:
            break
        room -= gap + text_width(shown, size, mono=piece.mono)
        look = {"class": f"{piece.look} mono".strip() if piece.mono else piece.look}
        SubElement(element, "tspan", {**look, **({"dx": number(gap)} if gap else {})}).text = shown
    full = " ".join(plain(piece.text) for piece in pieces if piece.text)
    if full != " ".join(piece.text or "" for piece in element):
        SubElement(element, "title").text = full


def box(parent: Element, x: float, y: float, width: float, height: float, look: str, radius: float = 10) -> Element:
    sizes = {"x": x, "y": y, "width": width, "height": height, "rx": radius}
    return SubElement(parent, "rect", {**{name: number(size) for name, size in sizes.items()}, "class": look})


def line(parent: Element, steps: str, look: str = "flow") -> None:
    SubElement(parent, "path", {"d": steps, "class": look})


def pill_width(label: str, text: str, room: float) -> float:
    return math.ceil(min(2 * PILL_SIDE + _pill_text(label, text), room))


def _pill_text(label: str, text: str) -> float:
    gap = PILL_SIZE if label and text else 0
    return text_width(plain(label), PILL_SIZE, mono=True) + gap + text_width(plain(text), PILL_SIZE, mono=True) + 1


def pill(parent: Element, x: float, y: float, room: float, look: str, label: str, text: str, told: str) -> Element:
    """Two words in a coloured capsule, `y` its top; what is told of it is a tooltip."""
    width = pill_width(label, text, room)
    group = SubElement(parent, "g", {"class": f"pill {look}"})
    SubElement(group, "title").text = plain(told)
    box(group, x, y, width, PILL, "paper", PILL / 2)
    box(group, x, y, width, PILL, "tint", PILL / 2)
    base, inner = y + PILL / 2 + 4.2, width - 2 * PILL_SIDE
    text_at(group, x + PILL_SIDE, base, PILL_SIZE, inner, Words(label, "label", mono=True), Words(text, mono=True))
    return group


def number(value: float) -> str:
    """Without needless digits."""
    return f"{value:.1f}".rstrip("0").rstrip(".")
