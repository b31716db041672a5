"""Made data for trainers, and arguments for short runs."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import Seq2SeqTrainingArguments, TrainingArguments

from tests_adapters.core.zoo import VOCABULARY


class Sentences(Dataset):
    """Random tokens; the label is whether the first one is a small number. Further columns are the same everywhere."""

    def __init__(self, **columns: Tensor) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        tokens = random_tokens(index)
        return {"input_ids": tokens, "labels": (tokens[0] < VOCABULARY // 2).long(), **self.columns}


class Questions(Sentences):
    """Where is the answer?"""

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        positions = {"start_positions": torch.tensor(index % 3), "end_positions": torch.tensor(3 + index % 3)}
        return {"input_ids": random_tokens(index), **positions}


class Copies(Sentences):
    """Each token is its own label; some are not asked for."""

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        tokens = random_tokens(index)
        labels = tokens.clone()
        labels[: index % 4] = -100
        return {"input_ids": tokens, "labels": labels}


def all_tokens() -> Tensor:
    return torch.stack([random_tokens(index) for index in range(len(Sentences()))])


def random_tokens(index: int) -> Tensor:
    return torch.randint(3, VOCABULARY, (6,), generator=torch.Generator().manual_seed(index))


def arguments(
    folder: Path, kind: type[TrainingArguments] = TrainingArguments, **options: object
) -> TrainingArguments | Seq2SeqTrainingArguments:
    """Two epochs of four steps, with a checkpoint after each epoch."""
    usual = {
        "num_train_epochs": 2,
        "per_device_train_batch_size": 4,
        "learning_rate": 0.05,
        "save_strategy": "epoch",
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": True,
        "logging_steps": 1,
    }
    return kind(str(folder), **(usual | options))


def trained_weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters() if value.requires_grad}


def frozen_weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters() if not value.requires_grad}


def assert_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    assert first
    for name, value in first.items():
        assert torch.equal(second[name], value), name
