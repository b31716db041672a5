"""What can be done with the embeddings of a model that has adapters."""

from __future__ import annotations

from generated.core import training


class EmbeddingAdaptersMixin:
    """Embeddings of a base model, or of a model with a head."""

    def freeze_embeddings(self, freeze: bool = True) -> None:
        """Freeze (or release) the input embeddings, and the output embeddings where there are some."""
        training.freeze_embeddings(self, freeze)
