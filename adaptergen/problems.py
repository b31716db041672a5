"""What a person must decide or mend: a code, a message, a place, and the next thing to do."""

from __future__ import annotations

from msgspec import Struct


class Location(Struct, frozen=True, order=True):
    """A line of a file, as a person would click on it."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path

    @property
    def short(self) -> str:
        """`modeling_gpt_neo.py:344`: enough for a reader who has the module open."""
        return f"{self.path.rpartition('/')[2]}:{self.line}"


class Problem(Struct, frozen=True):
    """One thing that is wrong. Problems are collected and shown all at once."""

    code: str
    message: str
    at: Location | None = None
    fix: str = ""

    def __str__(self) -> str:
        where = f"{self.at}: " if self.at else ""
        hint = f"\n  fix: {self.fix}" if self.fix else ""
        return f"{where}error[{self.code}]: {self.message}{hint}"


class ProblemsFound(Exception):
    """Carries problems out of a deep call to the command that shows them; nothing has been written."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
