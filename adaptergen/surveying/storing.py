"""The file in which a survey grows: what it says of other architectures stays, and no end leaves half of it."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from adaptergen.surveying.record import Survey, read, written
from adaptergen.text_files import read_text


class Store(Struct, frozen=True):
    """
    Args:
        path: of the file; None if nothing is to be written.
        earlier: what was in it.
        is_partial: the survey is about some architectures only.
    """

    path: Path | None
    earlier: Survey
    is_partial: bool

    def joined(self, found: Survey) -> Survey:
        """What the file is to say."""
        return self.earlier.with_architectures(found.architectures) if self.is_partial else found

    def save(self, found: Survey) -> None:
        if self.path is not None:
            beside = self.path.with_name(f"{self.path.name}.new")
            try:
                beside.write_text(written(self.joined(found)), encoding="utf-8")
                beside.replace(self.path)
            finally:
                beside.unlink(missing_ok=True)


def opened_store(path: Path | None, transformers: str, *, is_partial: bool) -> Store:
    """A store with what an earlier run has left, if that was about the same transformers.

    Raises:
        ProblemsFound: the file is something else.
    """
    nothing = Survey(transformers)
    if path is None or not path.exists():
        return Store(path, nothing, is_partial)
    earlier = read(read_text(path, str(path)), str(path))
    return Store(path, earlier if earlier.transformers == transformers else nothing, is_partial)
