"""Prediction head: one label, or several, per image."""

from collections.abc import Mapping

import torch
from transformers import PreTrainedModel
from transformers.modeling_outputs import ImageClassifierOutput

from generated.core.heads.base import LabelHead, label_ids
from generated.core.heads.losses import classification_loss, multilabel_loss


class ImageClassificationHead(LabelHead):
    """Classifies an image; logits are (batch, num_labels).

    Labels are (batch,) class indices, or (batch, num_labels) with `multilabel=True`.
    """

    head_type = "image_classification"
    reads_sentence = True
    output_class = ImageClassifierOutput

    def __init__(
        self,
        model: PreTrainedModel,
        head_name: str,
        num_labels: int = 2,
        layers: int = 2,
        activation_function: str | None = "tanh",
        multilabel: bool = False,
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
            "multilabel": multilabel,
            "label2id": label_ids(id2label, num_labels),
            "use_pooler": use_pooler,
            "bias": bias,
            "dropout_prob": dropout_prob,
        }
        self.build(model)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return multilabel_loss(logits, labels) if self.config["multilabel"] else classification_loss(logits, labels)
