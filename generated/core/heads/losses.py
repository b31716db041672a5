"""The losses of the prediction heads, as the task-specific classes of transformers compute them."""

import torch
from torch.nn import functional as F


def classification_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean squared error for a single output, else cross-entropy for class indices, else binary cross-entropy.

    Args:
        logits: (batch, num_labels).
        labels: (batch,) class indices, (batch,) regression targets if `num_labels` is 1, or (batch, num_labels) floats
            between 0 and 1.
    """
    if logits.size(-1) == 1:
        return F.mse_loss(logits.squeeze(), labels.squeeze().to(logits.dtype))
    if labels.is_floating_point():
        return multilabel_loss(logits, labels)
    return F.cross_entropy(logits, labels.view(-1))


def multilabel_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of every label on its own; both arguments are (batch, num_labels)."""
    return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
