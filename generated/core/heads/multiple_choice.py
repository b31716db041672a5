"""Prediction head: which of several sequences is the right one?"""

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.modeling_outputs import MultipleChoiceModelOutput

from generated.core.heads.base import LabelHead, label_ids


class MultipleChoiceHead(LabelHead):
    """Scores each choice on its own and compares the scores.

    The base model sees (batch · choices, length); logits are (batch, choices) and labels (batch,) indices of the right
    choice.
    """

    head_type = "multiple_choice"
    reads_sentence = True
    output_class = MultipleChoiceModelOutput

    def __init__(
        self,
        model: PreTrainedModel,
        head_name: str,
        num_choices: int = 2,
        layers: int = 2,
        activation_function: str | None = "tanh",
        id2label: Mapping[int | str, str] | None = None,
        use_pooler: bool = False,
        dropout_prob: float | None = None,
    ):
        super().__init__(head_name)
        self.config = {
            "head_type": self.head_type,
            "num_choices": num_choices,
            "layers": layers,
            "activation_function": activation_function,
            "label2id": label_ids(id2label, num_choices),
            "use_pooler": use_pooler,
            "dropout_prob": dropout_prob,
        }
        self.build(model)

    def logits(self, features: torch.Tensor, num_choices: int | None = None, **kwargs: Any) -> torch.Tensor:
        """One row of scores per question; the inputs may have another number of choices than the head was made for."""
        return super().logits(features).view(-1, num_choices or self.config["num_choices"])

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits, labels)
