"""Load what was damaged, and judge: either it is refused with a word on the file, or what was loaded is sound.

Whatever happens, the weights of the model itself stay to the last bit, and after a refusal everything else does, too.
"""

from __future__ import annotations

import random
import resource
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from generated.core.errors import AdapterError
from tests_adapters.core.hostile.damage import damaged
from tests_adapters.core.hostile.stored import Stored
from tests_adapters.core.zoo import tree


MEMORY = 512 * 2**20  # bytes beyond what the process has: a tiny adapter has no reason to need them
SECONDS = 10.0


@dataclass(frozen=True)
class Outcome:
    """
    Args:
        defect: what loading did that it must not do, or "".
        refusal: its message, if it was refused.
    """

    kind: str
    seed: int
    damage: str
    refusal: str = ""
    defect: str = ""


def trial(stored: Stored, seed: int) -> Outcome:
    """Save, damage, and load into a new model."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        stored.save(folder)
        files = _names(folder)
        damage = damaged(folder, random.Random(seed))
        model = stored.receiver()
        before, state = tree(model), _values(model)
        started, refusal, defect = time.monotonic(), "", ""
        try:
            with bounded_memory():
                stored.load(model, folder)
        except AdapterError as error:
            refusal = str(error)
            notes = "\n".join(getattr(error, "__notes__", ()))
            defect = _changes(before, tree(model)) or _unnamed(f"{refusal}\n{notes}", folder, files)
        except Exception as error:
            defect = f"{type(error).__name__}: {error}"
        else:
            defect = _not_finite(model)
        if not defect and not _same(state, _values(model), stored.changes if not refusal else ()):
            defect = "weights of the model have changed"
        if not defect and time.monotonic() - started > SECONDS:
            defect = f"it took more than {SECONDS} seconds"
        return Outcome(stored.kind, seed, damage, refusal, defect)


@contextmanager
def bounded_memory() -> Iterator[None]:
    """No more than `MEMORY` can be allocated; where the system keeps no such count, as much as one likes."""
    status = Path("/proc/self/statm")
    if not status.exists():
        yield
        return
    used = int(status.read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def _values(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def _same(before: Mapping[str, Tensor], after: Mapping[str, Tensor], but: tuple[str, ...]) -> bool:
    kept = ((name, tensor) for name, tensor in before.items() if not name.startswith(but))
    return all(name in after and torch.equal(tensor, after[name]) for name, tensor in kept)


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return f"refused, and yet {changed[0] or 'the model'} has changed" if changed else ""


def _unnamed(message: str, folder: Path, files: set[str]) -> str:
    told = str(folder) in message or any(name in message for name in files)
    return "" if told else f"the message names no file: {message}"


def _not_finite(model: nn.Module) -> str:
    wrong = [
        name
        for name, tensor in model.state_dict().items()
        if tensor.is_floating_point() and not tensor.isfinite().all()
    ]
    return f"{wrong[0]} is not finite" if wrong else ""
