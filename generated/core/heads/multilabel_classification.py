"""Prediction head: any number of labels per sequence."""

import torch

from generated.core.heads.classification import ClassificationHead
from generated.core.heads.losses import multilabel_loss


class MultiLabelClassificationHead(ClassificationHead):
    """Decides for every label on its own; logits and labels are (batch, num_labels)."""

    head_type = "multilabel_classification"

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return multilabel_loss(logits, labels)
