"""What do type checkers know of a model that takes adapters?

`generated.init` extends the class of a model in place, which no annotation can say. These classes say what all such
models have. Nothing is ever made of them, and what only one architecture has is unknown to them.
"""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from generated.core.flexible_heads import ModelWithFlexibleHeadsAdaptersMixin
from generated.core.mixins import ModelWithHeadsAdaptersMixin


class AdaptedModel(ModelWithHeadsAdaptersMixin, PreTrainedModel):
    """Any model after `generated.init`."""

    def __getattr__(self, name: str) -> Any: ...


class AdapterModel(ModelWithFlexibleHeadsAdaptersMixin, AdaptedModel):
    """Any model with flexible heads, as `AutoAdapterModel` makes it."""
