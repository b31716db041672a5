"""Models and vocabularies for the tests of embeddings."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    PreTrainedModel,
)

from tests_adapters.core.made_tokenizer import SPECIAL, made_tokenizer
from tests_adapters.core.zoo import (
    BASE_MODELS,
    LANGUAGE_MODELS,
    VOCABULARY,
    fresh,
    inputs_for,
)


SAME = made_tokenizer(f"word{index}" for index in range(VOCABULARY - len(SPECIAL)))
OTHER = made_tokenizer(["new", *(f"word{index}" for index in range(20)), "newer"])

MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    **{f"{name} base": lambda name=name: fresh(name) for name in BASE_MODELS if name != "vit"},
    **{name: lambda name=name, cls=cls: fresh(name, cls) for name, cls in LANGUAGE_MODELS.items()},
}
each_model = pytest.mark.parametrize("kind", MODELS)


def inputs(kind: str) -> dict[str, Tensor]:
    """Tokens that the smallest vocabulary has."""
    made = inputs_for(kind.removesuffix(" base"))
    return {name: value.clamp(max=20) if "input_ids" in name else value for name, value in made.items()}


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same_state(model: nn.Module, before: dict[str, Tensor]) -> None:
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
