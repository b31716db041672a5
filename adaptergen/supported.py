"""Which releases of transformers are read and run, and what is said of another one?"""

from __future__ import annotations

import re

from adaptergen.problems import Problem, ProblemsFound
from adaptergen.upstream import NEWEST, OLDEST, REQUIREMENT, Upstream


RANGE = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"


def refuse_too_old(upstream: Upstream) -> None:
    """
    Raises:
        ProblemsFound: the release is older than all that are supported, or does not say what it is.
    """
    problem = too_old(upstream)
    if problem is not None:
        raise ProblemsFound(problem)


def too_old(upstream: Upstream) -> Problem | None:
    """What is wrong with a release that is older than all that are supported, or does not say what it is."""
    release = _release(upstream.version)
    if release is not None and release >= OLDEST:
        return None
    message = f"transformers {upstream.version} ({upstream.root}) is not supported, {RANGE} are"
    return Problem("unsupported-transformers", message, fix=f"pip install '{REQUIREMENT}'")


def too_new(upstream: Upstream) -> Problem | None:
    """What is wrong with a release that is newer than all that are supported. It can be read: so it is followed."""
    release = _release(upstream.version)
    if release is None or release <= NEWEST:
        return None
    message = f"transformers {upstream.version} ({upstream.root}) is newer than all that are supported, {RANGE}"
    fix = f"`adaptergen update --all` follows it and says what is not understood; or pip install '{REQUIREMENT}'"
    return Problem("unsupported-transformers", message, fix=fix)


def _release(version: str) -> tuple[int, int] | None:
    """`(5, 23)` for `5.23.1` and for `5.23.0.dev0`."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else None
