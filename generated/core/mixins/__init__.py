"""What `generated.init` adds to models: the public methods of base models and of models with heads."""

from generated.core.mixins.embeddings import EmbeddingAdaptersMixin
from generated.core.mixins.heads import ModelWithHeadsAdaptersMixin
from generated.core.mixins.invertible import InvertibleAdaptersMixin
from generated.core.mixins.model import ModelAdaptersMixin
from generated.core.mixins.writing import WritingAdaptersMixin


# In AdapterHub the methods of base models and those of models with a head are two classes.
EmbeddingAdaptersWrapperMixin = EmbeddingAdaptersMixin
InvertibleAdaptersWrapperMixin = InvertibleAdaptersMixin

__all__ = [
    "EmbeddingAdaptersMixin",
    "EmbeddingAdaptersWrapperMixin",
    "InvertibleAdaptersMixin",
    "InvertibleAdaptersWrapperMixin",
    "ModelAdaptersMixin",
    "ModelWithHeadsAdaptersMixin",
    "WritingAdaptersMixin",
]
