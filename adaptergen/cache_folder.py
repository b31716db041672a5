"""Where is kept what any command can make again, and may what lies there be trusted?"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from msgspec import Struct


VARIABLE = "ADAPTERGEN_CACHE"


def cache_folder() -> Path:
    """The folder that a user's programs share: named by ADAPTERGEN_CACHE, or where the platform keeps caches.

    Raises:
        OSError: it is in the home of the user, who has none, as in some containers.
    """
    given = os.environ.get(VARIABLE)
    try:
        return Path(given).expanduser() if given else platform_cache_folder() / "adaptergen"
    except RuntimeError as error:
        raise FileNotFoundError(str(error)) from error


def platform_cache_folder() -> Path:
    """Where the platform keeps caches of a user."""
    given = os.environ.get("XDG_CACHE_HOME")
    if given and Path(given).is_absolute():
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path.home() / "Library" / "Caches" if sys.platform == "darwin" else Path.home() / ".cache"


def is_ours(folder: Path) -> bool:
    """A real folder that no other user can have filled."""
    try:
        state = folder.lstat()
    except OSError:
        return False
    if not stat.S_ISDIR(state.st_mode):
        return False
    if not hasattr(os, "getuid"):
        return True
    return state.st_uid == os.getuid() and not state.st_mode & stat.S_IWOTH


class Kept(Struct, frozen=True):
    """Pieces of one kind by digests of all that they were made of. Without a folder nothing is kept."""

    folder: Path | None

    def read(self, key: str) -> bytes | None:
        try:
            return (self.folder / key).read_bytes() if self.folder else None
        except OSError:
            return None

    def write(self, key: str, piece: bytes) -> None:
        """All of it or nothing; where nothing can be written, that is no error."""
        if self.folder is None:
            return
        with suppress(OSError), tempfile.TemporaryDirectory(dir=self.folder) as drafts:
            draft = Path(drafts, key)
            draft.write_bytes(piece)
            draft.replace(self.folder / key)


def kept(kind: str) -> Kept:
    """What a user's commands keep of a kind, unless others can put something there."""
    try:
        folder = cache_folder() / kind
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return Kept(None)
    return Kept(folder if is_ours(folder) else None)


def digest(*parts: bytes) -> str:
    """Of all parts, and of where each of them ends."""
    return hashlib.sha256(b"".join(b"%d\0%b" % (len(part), part) for part in parts)).hexdigest()
