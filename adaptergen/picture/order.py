"""In which order do the additions of a layer happen?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from adaptergen.plan import BottleneckPlace
from adaptergen.source import SourceModule


def in_order(places: Sequence[BottleneckPlace], cls: str, source: SourceModule | None) -> list[BottleneckPlace]:
    """Places of a class of layers as its forward meets them.

    An addition of the layer itself has a line; a module with one stands where the forward first names it. If one of
    them is not found (or without the source, if there are modules), they stay as the plan has them: attention before
    feed-forward.
    """
    if not any(place.host for place in places):
        return sorted(places, key=lambda place: _line(place.at))
    lines = _forward(cls, source) if source else {}
    met = {place: _line(place.at) if not place.host else _mention(place.host, lines) for place in places}
    if not all(line in lines for line in met.values()):
        return list(places)
    return sorted(places, key=met.__getitem__)


def _forward(cls: str, source: SourceModule) -> dict[int, str]:
    """The lines of the forward of a class, by their numbers."""
    found = source.find_method(cls, "forward")
    if found is None:
        return {}
    first, last = source.lines_of(found[1])
    return {number: source.lines[number - 1] for number in range(first, last + 1)}


def _mention(host: str, lines: dict[int, str]) -> int:
    """The first line that names a module, or the list of which it is one with its index; 0 if none does."""
    head, _, rest = host.partition(".")
    index = rest.partition(".")[0]
    ending = re.escape(f"[{index}]") if index.lstrip("-").isdecimal() else r"\b"
    name = re.compile(rf"\bself\.{re.escape(head)}{ending}")
    return next((number for number, line in lines.items() if name.search(line)), 0)


def _line(at: str) -> int:
    number = at.rpartition(":")[2]
    return int(number) if number.isdecimal() else 0
