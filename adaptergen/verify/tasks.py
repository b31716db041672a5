"""Which task suits an architecture, and what is to be learned of a batch in it?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from msgspec import Struct
from torch import Tensor
from transformers.models.auto import modeling_auto as auto

from adaptergen.verify.inputs import parameters
from adaptergen.verify.subjects import ModelCase, Subject


Batch = Mapping[str, Tensor]
LABELS = "labels"


class Task(Struct, frozen=True):
    """
    A kind of training.

    Args:
        name: for people.
        classes: transformers' table of the classes that have its head.
        labels: what is to be learned of a batch.
        also: a table in which the architecture must be, too.
    """

    name: str
    classes: Mapping[str, str]
    labels: Callable[[Batch], Tensor]
    also: Mapping[str, str] | None = None


def _one_class_each(batch: Batch) -> Tensor:
    """(batch,): the first example is of class 0, the second of class 1."""
    return torch.arange(_examples(batch)) % 2


def _one_letter_each(batch: Batch) -> Tensor:
    """(batch, 1): another letter for each sound; 0 is none."""
    return 1 + torch.arange(_examples(batch))[:, None]


def _written(batch: Batch) -> Tensor:
    """(batch, length): the tokens of the text that is written."""
    return batch["decoder_input_ids"].clone()


def _read(batch: Batch) -> Tensor:
    """(batch, length): the tokens of the text itself."""
    return batch["input_ids"].clone()


def _examples(batch: Batch) -> int:
    return len(next(iter(batch.values())))


# The first that an architecture has a class for suits it: what it was made for comes before what it can do, too.
TASKS = (
    Task("image classification", auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES, _one_class_each),
    Task("speech recognition", auto.MODEL_FOR_CTC_MAPPING_NAMES, _one_letter_each),
    Task("speech recognition", auto.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES, _written),
    Task("writing a text from a text", auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES, _written),
    Task(
        "text classification",
        auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
        _one_class_each,
        also=auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    ),
    Task("language modelling", auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, _read),
    Task("writing about images", auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES, _read),
    Task("text classification", auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES, _one_class_each),
    Task("masked language modelling", auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES, _read),
)


def suiting(case: ModelCase) -> tuple[Task, Subject] | None:
    """The task of an architecture, and the class that has its head; `None` if no class takes known labels."""
    usual = {subject.cls.__name__: subject for subject in reversed(case.subjects) if not subject.overrides}
    for task in TASKS:
        for name in (name for name in usual if name in task.classes.values()):
            subject, kinds = usual[name], {kind for kind, named in task.classes.items() if named == name}
            if LABELS in parameters(subject.cls) and (task.also is None or kinds & task.also.keys()):
                return task, subject
    return None
