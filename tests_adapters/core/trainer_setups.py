"""Models that are ready for an `AdapterTrainer`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from transformers import (
    BertForSequenceClassification,
    PreTrainedModel,
    Trainer,
)

import generated
from generated import AdapterTrainer, Fuse
from tests_adapters.core.made_data import (
    Sentences,
    arguments,
)
from tests_adapters.core.made_tokenizer import made_tokenizer
from tests_adapters.core.zoo import METHODS, VOCABULARY, build


def fixed() -> PreTrainedModel:
    return generated.init(build("bert", BertForSequenceClassification))


def flexible() -> PreTrainedModel:
    model = build("bert", generated.BertAdapterModel)
    torch.manual_seed(1)
    model.add_classification_head("task", num_labels=2)
    return model


def with_adapter(method: str = "seq_bn", kind: Callable[[], PreTrainedModel] = fixed) -> PreTrainedModel:
    model = kind()
    torch.manual_seed(2)
    model.add_adapter("task", config=METHODS[method]())
    model.train_adapter("task")
    return model


def with_fusion(config: str = "dynamic") -> PreTrainedModel:
    model = fixed()
    torch.manual_seed(2)
    for name in ("a", "b"):
        model.add_adapter(name, config=METHODS["seq_bn"]())
    model.add_adapter_fusion(["a", "b"], config=config)
    model.train_adapter_fusion(Fuse("a", "b"))
    return model


def with_embeddings() -> PreTrainedModel:
    model = with_adapter()
    model.train_adapter("task", train_embeddings=True)
    return model


def with_other_embeddings() -> PreTrainedModel:
    model = with_adapter()
    model.add_embeddings("other", made_tokenizer(map(str, range(VOCABULARY))))
    model.train_adapter("task", train_embeddings=True)
    return model


def with_norms() -> PreTrainedModel:
    """A part of the base model is trained on purpose."""
    model = with_adapter()
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.requires_grad_(True)
    return model


def trainer_for(model: PreTrainedModel, folder: Path, **options: object) -> AdapterTrainer:
    return AdapterTrainer(model, arguments(folder, **options), train_dataset=Sentences(), eval_dataset=Sentences())


def losses(trainer: Trainer) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


SETUPS = {
    **{method: lambda method=method: with_adapter(method) for method in ("lora", "prefix_tuning", "compacter")},
    "flexible": lambda: with_adapter(kind=flexible),
    "flexible compacter": lambda: with_adapter("compacter", flexible),
    "fusion": with_fusion,
    "embeddings": with_embeddings,
    "other embeddings": with_other_embeddings,
    "norms": with_norms,
}
