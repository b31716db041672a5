"""Access to the invertible adapters of a model."""

from __future__ import annotations

from torch import Tensor, nn

from generated.core.methods.invertible import present_invertible


class InvertibleAdaptersMixin:
    """Invertible adapters of a base model, or of the base model below a head."""

    def get_invertible_adapter(self) -> nn.Module | None:
        """
        The invertible adapter that is active: a module with `forward(x, rev=False)` over (..., hidden). Where examples
        have one each, it is the first.

        Heads of their own call `invertible_adapters_forward` with `rev=True` in front of their last projection.
        """
        adapters = present_invertible(self.base_model)
        return None if adapters is None or adapters.active is None else adapters[adapters.active.first()]

    def invertible_adapters_forward(self, hidden_states: Tensor, rev: bool = False) -> Tensor:
        """Apply the active invertible adapter, or its inverse; hidden states are unchanged if there is none."""
        adapters = present_invertible(self.base_model)
        return hidden_states if adapters is None else adapters(hidden_states, rev=rev)
