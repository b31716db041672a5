"""How much more memory did the process take for something than it had? Only Linux tells; elsewhere it is nothing."""

from __future__ import annotations

import re
from pathlib import Path


STATUS, MARKS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def start_counting() -> int:
    """The bytes that are resident, from which on `most` counts."""
    try:
        MARKS.write_text("5")  # the peak is what there is now
    except OSError:
        return 0
    return _told("VmRSS")


def most(since: int) -> int:
    """The bytes that were resident at most, beyond those that were there when counting started."""
    return _told("VmHWM") - since if since else 0


def _told(what: str) -> int:
    found = re.search(rf"^{what}:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024
