"""Which text goes to which path, and who owns it: files of the tool, and regions of it in files of people."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from enum import Enum

from msgspec import Struct


class Owner(Enum):
    TOOL = "the tool writes all of it"
    PEOPLE = "people write it, the tool writes its regions"


class Change(Struct, frozen=True, order=True):
    """One file before and after; `before` is None for a new file, `after` for one that goes."""

    path: str  # relative to the project, with forward slashes
    before: str | None
    after: str | None
    owner: Owner = Owner.TOOL

    @property
    def kind(self) -> str:
        return "create" if self.before is None else "delete" if self.after is None else "update"

    def diff(self) -> str:
        """A unified diff, as `git diff` would show it."""
        old, new = (text.splitlines(keepends=True) if text else [] for text in (self.before, self.after))
        from_file = f"a/{self.path}" if self.before is not None else "/dev/null"
        to_file = f"b/{self.path}" if self.after is not None else "/dev/null"
        return "".join(_terminated(difflib.unified_diff(old, new, from_file, to_file)))


def _terminated(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


class ChangeSet(Struct, frozen=True):
    """Every change of one run, in the order of the paths; applied all or not at all."""

    changes: tuple[Change, ...]

    @staticmethod
    def of(*changes: Change) -> ChangeSet:
        """Only real changes: a file that would get the text it has is left out."""
        return ChangeSet(tuple(sorted(change for change in changes if change.before != change.after)))

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def diff(self) -> str:
        return "".join(change.diff() for change in self.changes)
