"""How large must a head be, so that rotary positions still have something to turn?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


SMALLEST, LARGEST = 8, 64
SECTIONS = "mrope_section"
PART = "partial_rotary_factor"


def head_size(attributes: Mapping[str, Any]) -> int:
    """The smallest size of which every part that turns is a multiple of four, or of eight where sections share it."""
    parts, unit = (
        set(_said(attributes, PART)) or {1.0},
        8 if any(_said(attributes, SECTIONS)) or lacks_sections(attributes) else 4,
    )
    smallest = SMALLEST // 2 if any(part > 1 for part in parts) else SMALLEST  # where several heads turn as one
    sizes = (smallest << doublings for doublings in range(4))
    return next((size for size in sizes if all(_turns(size * part, unit) for part in parts)), LARGEST)


def lacks_sections(attributes: Mapping[str, Any]) -> bool:
    """Do positions have sections that the default does not name?"""
    parameters = attributes.get("rope_parameters")
    known = attributes.get("ignore_keys_at_rope_validation") or ()
    return isinstance(parameters, Mapping) and SECTIONS in known and not any(_said(attributes, SECTIONS))


def small_sections(sections: Sequence[int], attributes: Mapping[str, Any]) -> list[int]:
    """
    The same number of sections for half of the smaller part that turns. What is left goes to the last, unless the
    first is the odd one: sections of one size may be turned as one.
    """
    part = next(iter(_said(attributes, PART)), 1.0)
    half = int(head_size(attributes) * part) // 2
    size = half // len(sections)
    rest = half - size * (len(sections) - 1)
    same = [size] * (len(sections) - 1)
    return [rest, *same] if sections.count(sections[0]) == 1 else [*same, rest]


def _turns(size: float, unit: int) -> bool:
    return size >= unit and int(size) % unit == 0 and size == int(size)


def _said(attributes: Mapping[str, Any], name: str) -> Iterator[Any]:
    """What is said under a name here, or in the parameters of the positions, for each kind of layer or for all."""
    for key, value in attributes.items():
        if key == name and value:
            yield value
        elif isinstance(value, Mapping):
            yield from _said({k: v for k, v in value.items() if isinstance(k, str)}, name)
