"""How are adapters trained? What is frozen, what a checkpoint holds, and trainers that know both."""

from generated.core.training.freezing import (
    freeze_embeddings,
    freeze_model,
    refuse_untrainable,
    train_fusions,
    train_only,
)
from generated.core.training.passing import refuse_where_gradients_end


__all__ = [
    "freeze_embeddings",
    "freeze_model",
    "refuse_untrainable",
    "refuse_where_gradients_end",
    "train_fusions",
    "train_only",
]
