"""Prediction head: one label, or one number, per sequence."""

from collections.abc import Mapping

import torch
from transformers import PreTrainedModel
from transformers.modeling_outputs import Seq2SeqSequenceClassifierOutput, SequenceClassifierOutputWithPast

from generated.core.heads.base import LabelHead, label_ids
from generated.core.heads.losses import classification_loss


class ClassificationHead(LabelHead):
    """Classifies a sequence; with `num_labels=1` it is a regression.

    Logits are (batch, num_labels); labels are (batch,) class indices, numbers for a regression, or (batch, num_labels)
    floats.
    """

    head_type = "classification"
    reads_sentence = True
    output_class = SequenceClassifierOutputWithPast
    seq2seq_output_class = Seq2SeqSequenceClassifierOutput

    def __init__(
        self,
        model: PreTrainedModel,
        head_name: str,
        num_labels: int = 2,
        layers: int = 2,
        activation_function: str | None = "tanh",
        id2label: Mapping[int | str, str] | None = None,
        use_pooler: bool = False,
        bias: bool = True,
        dropout_prob: float | None = None,
    ):
        super().__init__(head_name)
        self.config = {
            "head_type": self.head_type,
            "num_labels": num_labels,
            "layers": layers,
            "activation_function": activation_function,
            "label2id": label_ids(id2label, num_labels),
            "use_pooler": use_pooler,
            "bias": bias,
            "dropout_prob": dropout_prob,
        }
        self.build(model)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return classification_loss(logits, labels)
