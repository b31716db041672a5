"""Prediction head: one label per token."""

from collections.abc import Mapping

import torch
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.modeling_outputs import TokenClassifierOutput

from generated.core.heads.base import LabelHead, label_ids


class TaggingHead(LabelHead):
    """Classifies every token.

    Logits are (batch, length, num_labels); labels are (batch, length), with -100 where there is nothing to learn.
    """

    head_type = "tagging"
    output_class = TokenClassifierOutput

    def __init__(
        self,
        model: PreTrainedModel,
        head_name: str,
        num_labels: int = 2,
        layers: int = 1,
        activation_function: str | None = "tanh",
        id2label: Mapping[int | str, str] | None = None,
        dropout_prob: float | None = None,
    ):
        super().__init__(head_name)
        self.config = {
            "head_type": self.head_type,
            "num_labels": num_labels,
            "layers": layers,
            "activation_function": activation_function,
            "label2id": label_ids(id2label, num_labels),
            "dropout_prob": dropout_prob,
        }
        self.build(model)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits.flatten(0, -2), labels.flatten())
