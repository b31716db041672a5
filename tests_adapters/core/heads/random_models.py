"""Models with random weights, the same ones in every run."""

import copy
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from generated.core.auto import AutoAdapterModel


def randomize(module: nn.Module, seed: int = 5) -> None:
    """Weights with a spread that makes every mistake visible; those that are computed, and not learned, stay."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in filter(lambda each: each.requires_grad, module.parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)


def changed(config: PreTrainedConfig, **changes: Any) -> PreTrainedConfig:
    """A copy of `config` with some values changed."""
    config = copy.deepcopy(config)
    for name, value in changes.items():
        setattr(config, name, value)
    return config


def adapter_model(config: PreTrainedConfig, **changes: Any) -> PreTrainedModel:
    """The adapter model of an architecture, without heads, in evaluation mode."""
    model = AutoAdapterModel.from_config(changed(config, **changes)).eval()
    randomize(model)
    return model


def with_head(config: PreTrainedConfig, kind: str, name: str = "task", **options: Any) -> PreTrainedModel:
    """An adapter model with a random head, added by `add_<kind>_head`."""
    model = adapter_model(config)
    getattr(model, f"add_{kind}_head")(name, **options)
    randomize(model.heads[name], seed=6)
    return model
