"""Texts and pairs of texts with labels, in the format of GLUE, as input of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset
from transformers import PreTrainedTokenizerBase, Trainer

from common.errors import ExampleError
from common.metrics import accuracy, correlation


COLUMNS = (
    ("sentence", None),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("premise", "hypothesis"),
    ("text", None),
)


@dataclass(frozen=True)
class Task:
    """
    What the column `label` holds.

    Args:
        labels: their names; none, if a number is to be found.
    """

    labels: tuple[str, ...]

    @property
    def score(self) -> str:
        return "accuracy" if self.labels else "correlation"

    def add_head(self, model: Any, name: str) -> None:
        """A head for the task, called as its adapter."""
        named = dict(enumerate(self.labels)) or None
        model.add_classification_head(name, num_labels=max(1, len(self.labels)), layers=1, id2label=named)

    def measure(self, trainer: Trainer, data: Dataset) -> Callable[[], float]:
        """What gives the score of the model that a trainer has."""

        def score() -> float:
            output = trainer.predict(data)
            found, right = np.asarray(output.predictions), np.asarray(output.label_ids).reshape(-1)
            if self.labels:
                return accuracy(found.argmax(-1).tolist(), right.tolist())
            return correlation(found.reshape(-1).tolist(), right.tolist())

        return score


def task_of(data: Dataset) -> Task:
    """
    Raises:
        ExampleError: there is no column `label`.
    """
    feature = data.features.get("label")
    if feature is None:
        raise ExampleError(f"the data have no column label; they have: {', '.join(data.column_names)}")
    if isinstance(feature, ClassLabel):
        return Task(tuple(feature.names))
    if feature.dtype.startswith("float"):
        return Task(())
    return Task(tuple(str(number) for number in range(max(data["label"]) + 1)))


def encoded(data: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Dataset:
    """
    Token numbers and labels.

    Raises:
        ExampleError: no columns that are known to hold texts.
    """
    columns = _text_columns(data)

    def encode(rows: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        texts = [list(rows[name]) for name in columns]
        return {**tokenizer(*texts, truncation=True, max_length=max_length), "labels": rows["label"]}

    return data.map(encode, batched=True, remove_columns=data.column_names, desc="tokens")


def _text_columns(data: Dataset) -> tuple[str, ...]:
    for first, second in COLUMNS:
        if first in data.column_names and (second is None or second in data.column_names):
            return (first,) if second is None else (first, second)
    known = "; ".join(", ".join(filter(None, names)) for names in COLUMNS)
    raise ExampleError(f"no texts in the columns {', '.join(data.column_names)}; known are: {known}")
