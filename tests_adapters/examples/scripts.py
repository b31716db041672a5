"""The scripts in `examples/`, run in this process."""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest


EXAMPLES = Path(__file__).parents[2] / "examples"
MISSING = [name for name in ("datasets", "matplotlib", "PIL", "scipy", "soundfile") if find_spec(name) is None]
needs_extra = pytest.mark.skipif(
    bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; pip install 'adaptergen[examples]'"
)


def module(name: str) -> Any:
    """A script, or what scripts share, as they themselves import it."""
    if str(EXAMPLES) not in sys.path:
        sys.path.insert(0, str(EXAMPLES))
    return importlib.import_module(name)


def tiny(name: str, output: Path, *arguments: str) -> Any:
    """What a script reports of its small run."""
    quiet = ("--disable-tqdm", "True", "--report-to", "none")
    return module(name).main(["--tiny", "--output", str(output), *quiet, *arguments])
