"""A figure: one thing that was measured, and whether it is what it is meant to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.timing import Spread


DIGITS = {"×": 3, "s": 2}  # of each unit


@dataclass(frozen=True)
class Figure:
    """
    Args:
        row: which row of the table it belongs to, e.g. "forward, one active LoRA".
        setting: on what, e.g. "llama, tiny".
        against: what it is compared with.
        value: times as much as `against`, or seconds.
        goal: at most this; `None` where there is none.
        unit: "×" or "s".
        peers: what peers have in the place of `value`, by name.
        note: whatever else was measured.
    """

    row: str
    setting: str
    against: str
    value: Spread
    goal: float | None = None
    unit: str = "×"
    peers: Mapping[str, Spread] = field(default_factory=dict)
    note: str = ""

    @property
    def is_reached(self) -> bool:
        """In the digits that are shown."""
        return self.goal is None or round(self.value.median - self.goal, DIGITS[self.unit]) <= 0


def from_json(given: Mapping[str, Any]) -> Figure:
    peers = {name: Spread(**peer) for name, peer in given["peers"].items()}
    return Figure(**{**given, "value": Spread(**given["value"]), "peers": peers})


def shown(value: Spread, unit: str) -> str:
    digits = DIGITS[unit]
    return f"{value.median:.{digits}f} {unit} ({value.low:.{digits}f}–{value.high:.{digits}f})"


def line(figure: Figure) -> str:
    """For a terminal."""
    goal = "" if figure.goal is None else f", goal {figure.goal:.2f}{'' if figure.is_reached else ' MISSED'}"
    peers = "".join(f"; {name} {shown(peer, figure.unit)}" for name, peer in figure.peers.items())
    note = f"; {figure.note}" if figure.note else ""
    value = shown(figure.value, figure.unit)
    return f"{figure.row}, {figure.setting}: {value} against {figure.against}{goal}{peers}{note}"
