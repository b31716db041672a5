"""Kill a process that trains an adapter, start it again from its checkpoints, and compare its end with that of one
that nobody killed: the same losses, and the same weights to the last bit.

Moments are times, or changes to the disk: most of the time a process computes, and what must not break is writing.
Each process is a fork of this one, which has imported everything and trained nothing; it must have one thread.
"""

from __future__ import annotations

import json
import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from transformers import PreTrainedModel, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from generated import AdapterTrainer
from tests_adapters import disk_steps
from tests_adapters.core.killed_saves import write_in_halves
from tests_adapters.core.made_data import trained_weights
from tests_adapters.core.trainer_setups import SETUPS, losses, trainer_for


KINDS = ("lora", "flexible", "fusion", "embeddings", "norms")  # what checkpoints have different files for
MOST_KILLS = 3
STARTS = ("from the start", "from the last", "from one before")
AFTER = ", after its end"
NUMBER = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True)
class Run:
    """
    A training that nobody kills.

    Args:
        end: its losses and weights, as files hold them.
        seconds: how long it takes.
        steps: how many changes to the disk it makes.
    """

    kind: str
    end: tuple[str, bytes]
    seconds: float
    steps: int


@dataclass(frozen=True)
class Outcome:
    """
    Args:
        moments: of which processes were killed, one after the other.
        starts: how each process began after the first, of `STARTS`; some are killed before they do.
        defect: what must not be, or "".
    """

    kind: str
    seed: int
    moments: tuple[str, ...]
    starts: tuple[str, ...]
    defect: str = ""


def whole_run(kind: str) -> Run:
    """Two of them, in fact, which end alike: one is timed, of the other the changes to the disk are counted."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        timed, counted = Path(one).resolve(), Path(other).resolve()
        counter = counted / "steps"

        def count(at: Path) -> None:
            disk_steps.count(at, disk_steps.noted_in(counter))

        started = time.monotonic()
        said = _ended(_started(kind, timed, AdapterTrainer.train), timed)
        seconds = time.monotonic() - started
        said = said or _ended(_started(kind, counted, AdapterTrainer.train, count), counted)
        assert said == "", said
        assert _end(timed) == _end(counted), f"{kind}: two trainings do not end alike"
        return Run(kind, _end(timed), seconds, int(counter.read_text()))


def trial(run: Run, seed: int, train: Callable[..., object] = AdapterTrainer.train) -> Outcome:
    """Kill up to three processes at moments that the seed draws, each of which goes on where the one before ended."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        moments = (_killed(run, folder, train, draw),)
        (folder / "starts").unlink(missing_ok=True)
        moments += tuple(_killed(run, folder, train, draw) for _ in range(draw.randrange(MOST_KILLS)))
        said = _ended(_started(run.kind, folder, train), folder)
        starts = tuple(_lines(folder / "starts"))
        defect = said or _difference(run.end, _end(folder))
    return Outcome(run.kind, seed, moments, starts, defect)


def _killed(run: Run, folder: Path, train: Callable[..., object], draw: random.Random) -> str:
    """When a process was killed. What has less to do than all of it may have come to its end."""
    if draw.random() < 0.7:
        step = draw.randint(1, run.steps)
        process = _started(run.kind, folder, train, lambda at: disk_steps.count(at, disk_steps.dies_at(step)))
        status, moment = os.waitpid(process, 0)[1], f"step {step} of {run.steps}"
    else:
        seconds = draw.uniform(0, run.seconds)
        status = disk_steps.killed_after(_started(run.kind, folder, train), seconds)
        moment = f"{seconds:.2f} of {run.seconds:.2f} seconds"
    return moment if os.WIFSIGNALED(status) else f"{moment}{AFTER}"


def _difference(expected: tuple[str, bytes], found: tuple[str, bytes]) -> str:
    names = ("losses", "weights")
    differing = [name for name, one, other in zip(names, expected, found, strict=True) if one != other]
    return f"other {' and '.join(differing)}" if differing else ""


def _end(folder: Path) -> tuple[str, bytes]:
    return (folder / "losses.json").read_text(), (folder / "weights.safetensors").read_bytes()


def _started(
    kind: str, folder: Path, train: Callable[..., object], prepare: Callable[[Path], object] = lambda _: None
) -> int:
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        write_in_halves()
        prepare(folder / "run")
        _train(kind, folder, train)
        code = 0
    except BaseException as error:
        (folder / "said").write_text(f"{type(error).__name__}: {error}")
    finally:
        os._exit(code)


def _ended(process: int, folder: Path) -> str:
    """What a process has to complain about that nobody killed."""
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    said = folder / "said"
    return "" if not code else said.read_text() if said.is_file() else f"it ends with {code}"


def _train(kind: str, folder: Path, train: Callable[..., object]) -> None:
    """As people do: from the last checkpoint, or if that is refused from the one before."""
    for name, checkpoint in _beginnings(folder / "run"):
        trainer, beginning = _trainer(kind, folder / "run"), _Beginning(name, folder / "starts")
        trainer.add_callback(beginning)
        try:
            train(trainer, resume_from_checkpoint=checkpoint)
            beginning.tell()  # there may have been nothing left to do
            break
        except Exception:
            if beginning.is_told or checkpoint is None:
                raise
    (folder / "losses.json").write_text(json.dumps(losses(trainer)))
    save_file(trained_weights(trainer.model), folder / "weights.safetensors")


def _beginnings(run: Path) -> Iterator[tuple[str, str | None]]:
    """All that a process can begin from, the best first."""
    last = get_last_checkpoint(run) if run.is_dir() else None
    found = sorted(run.glob("checkpoint-*"), key=lambda path: int(NUMBER.fullmatch(path.name)[1]), reverse=True)
    assert last == (str(found[0]) if found else None)
    for index, path in enumerate(found):
        yield STARTS[2 if index else 1], str(path)
    yield STARTS[0], None


def _trainer(kind: str, folder: Path) -> AdapterTrainer:
    """A checkpoint after each step; of one kind, the latest two are kept."""
    options: dict[str, Any] = {"save_strategy": "steps", "save_steps": 1}
    if kind == "flexible":
        options["save_total_limit"] = 2
    model: PreTrainedModel = SETUPS[kind]()
    return trainer_for(model, folder, **options)


class _Beginning(TrainerCallback):
    """Tells a file from where a training began, once it has: until then a checkpoint may be refused."""

    def __init__(self, name: str, file: Path) -> None:
        self.name, self.file, self.is_told = name, file, False

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.tell()

    def tell(self) -> None:
        if not self.is_told:
            with self.file.open("a") as file:
                file.write(f"{self.name}\n")
        self.is_told = True


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.is_file() else []
