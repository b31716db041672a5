"""Where is kept what any command can make again, and may what lies there be trusted?"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path


VARIABLE = "ADAPTERGEN_CACHE"


def cache_folder() -> Path:
    """The folder that a user's programs share: named by ADAPTERGEN_CACHE, or where the platform keeps caches."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given).expanduser()
    return platform_cache_folder() / "adaptergen"


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
