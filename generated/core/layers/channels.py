"""Are the channels of hidden states where an adapter looks for them, on their last axis?"""

from __future__ import annotations

from torch import Tensor

from generated.core.errors import UnsupportedMethodError


def expect_channels(states: Tensor, size: int, kind: str) -> None:
    """
    Args:
        states: (..., size), if they are as they should be.
        kind: what the adapter is, for the message.

    Raises:
        UnsupportedMethodError: they are laid out in another way, or of another width.
    """
    if states.shape[-1] != size:
        raise UnsupportedMethodError(
            f"{kind} of {size} channels cannot act on states that end in {states.shape[-1]}: this model lays them out "
            "in another way, where only LoRA and (IA)³ act"
        )
