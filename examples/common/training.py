"""The run that all examples have in common: a score before, training, a score after, files, and the files again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn
from transformers import Trainer

from common.options import Options


@dataclass(frozen=True)
class Report:
    """
    What an example did.

    Args:
        score: what was measured, on the evaluation split.
        before: with a new adapter, and a new head if the task has one.
        loaded: after what was written has been read into the model again.
        trained, parameters: how many weights were trained, and how many the model has.
        folder: of the adapter.
    """

    score: str
    before: float
    after: float
    loaded: float
    trained: int
    parameters: int
    seconds: float
    folder: str

    @property
    def text(self) -> str:
        share = 100 * self.trained / self.parameters
        return (
            f"\n{self.score}: {self.before:.3f} before, {self.after:.3f} after, {self.loaded:.3f} loaded from files\n"
            f"trained: {self.trained:,} of {self.parameters:,} weights ({share:.2f} %), in {self.seconds:.0f} s\n"
            f"written: {self.folder}"
        )


@dataclass(frozen=True)
class Files:
    """
    What is kept of a training, and how.

    Args:
        forget: takes what was written out of the model.
        shown: Python that reads it, for people; `folder` stands in it.
    """

    write: Callable[[Path], object]
    forget: Callable[[], object]
    read: Callable[[Path], object]
    shown: str


def adapter_files(model: Any, name: str) -> Files:
    """One adapter, with its head."""
    return Files(
        write=lambda folder: model.save_adapter(folder, name),
        forget=lambda: model.delete_adapter(name),
        read=lambda folder: model.load_adapter(folder, load_as=name, set_active=True),
        shown="model.load_adapter({folder!r}, set_active=True)",
    )


def train_and_report(
    options: Options,
    trainer: Trainer,
    measure: Callable[[], float],
    score: str,
    loader: str,
    files: Files | None = None,
) -> Report:
    """
    Train what is active in the trainer's model, write it, read it again, and say what came of it.

    Args:
        measure: the score of the model as it is.
        score: what `measure` measures.
        loader: Python that makes `model`, for people who load the adapter later.
        files: what is written; by default the adapter that is called as the options say.
    """
    model, folder = trainer.model, options.output / options.name
    kept = files or adapter_files(model, options.name)
    before = measure()
    trained, parameters = sizes(model)
    started = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - started
    after = measure()
    kept.write(folder)
    kept.forget()
    kept.read(folder)
    report = Report(score, before, after, measure(), trained, parameters, seconds, str(folder))
    tell(options, report, f"{loader}\n{kept.shown.format(folder=str(folder))}")
    return report


def tell(options: Options, report: Report, loading: str) -> None:
    """Print what came out and how to load it, and write it to `report.json`."""
    indented = "\n".join(f"    {line}" for line in loading.splitlines())
    print(f"{report.text}\nto load it:\n\n{indented}\n")
    (options.output / "report.json").write_text(f"{json.dumps(asdict(report), indent=2)}\n", encoding="utf-8")


def sizes(model: nn.Module) -> tuple[int, int]:
    """How many weights are trained, and how many there are."""
    counts = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(count for count, is_trained in counts if is_trained), sum(count for count, _ in counts)
