"""What is the weighted sum of several heads?"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import PreTrainedModel

from generated.core.errors import AdapterConfigError
from generated.core.heads.base import PredictionHead
from generated.core.layers.offloading import at_hand


def fill_with_sum(head: PredictionHead, parts: Mapping[str, tuple[PredictionHead, float]]) -> None:
    """Let every tensor of `head` be the weighted sum of those of other heads. Integers are those of the first.

    A projection that is the input embeddings in all of them stays so.

    Args:
        parts: heads and their weights, by name.
    """
    head.is_tied = all(part.is_tied for part, _ in parts.values())
    tied = f"{len(head) - 1}.weight" if head.is_tied else ""
    with torch.no_grad(), at_hand(module for part, _ in parts.values() for module in part.modules()):
        states = [(part.state_dict(), weight) for part, weight in parts.values()]
        for name, tensor in head.state_dict().items():
            if name != tied:
                tensor.copy_(_sum([(state[name], weight) for state, weight in states]))


def common_config(model: PreTrainedModel, heads: Mapping[str, PredictionHead]) -> dict:
    """The configuration that all of these heads of `model` have.

    Raises:
        AdapterConfigError: they have not the same.
    """
    (first, *others) = heads.values()
    for other in others:
        keys = first.config.keys() | other.config.keys()
        different = sorted(key for key in keys if first.config.get(key) != other.config.get(key))
        if different:
            raise AdapterConfigError(
                f"the heads '{first.name}' and '{other.name}' of {type(model).__name__} have no mean: they differ in "
                f"{', '.join(different)}"
            )
    return first.config


def _sum(tensors: list[tuple[Tensor, float]]) -> Tensor:
    first, _ = tensors[0]
    return sum(weight * tensor for tensor, weight in tensors) if first.is_floating_point() else first
