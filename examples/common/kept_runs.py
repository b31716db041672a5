"""Runs of a comparison in a file, so that an interrupted one loses none of those that have ended."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from common.comparison import Run
from common.errors import ExampleError


def digest(decided: Mapping[str, object]) -> str:
    """A few letters that are others when any of these values is, in this process and in another."""
    return sha256(json.dumps(decided, sort_keys=True).encode()).hexdigest()[:12]


def keep(file: Path, runs: Sequence[Run]) -> None:
    """Write these runs at once: whoever looks sees those of before or all of these, whenever the script ends."""
    text = json.dumps([asdict(each) for each in runs], indent=2, ensure_ascii=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(f"{text}\n", encoding="utf-8")
    os.replace(unfinished, file)


def kept(file: Path) -> list[Run]:
    """
    The runs in a file; none if there is no such file.

    Raises:
        ExampleError: there is something else in it.
    """
    if not file.exists():
        return []
    try:
        return [Run(**each) for each in json.loads(file.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        fix = "name another --output, or start anew without --resume"
        raise ExampleError(f"{file} cannot be gone on from: {error}\n  {fix}") from error
