"""Which tokens of a call are the first of their sequence, and which the last? Padding may be on either side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor


if TYPE_CHECKING:
    from generated.core.forward_inputs import CallValues


class Positions(NamedTuple):
    """
    Where the tokens of a call stand, both (batch or 1, length).

    Args:
        from_start: 1 for the first token of the whole sequence, 2 for the next, and so on; 0 for padding.
        from_end: the same from the end; 0 for padding, and for tokens that follow what a generation goes on from.
    """

    from_start: Tensor
    from_end: Tensor


@dataclass(frozen=True)
class SequenceOfStack:
    """
    What a list of layers sees of a call.

    Args:
        mask: the argument of the model that tells padding; `None` where none does.
        decodes: the sequence may be longer than the call, whose first tokens are in the cache.
    """

    mask: str | None
    decodes: bool

    def positions(self, call: CallValues, length: int, device: torch.device) -> Positions:
        """Of the `length` tokens that a layer is given in a call of the model."""
        past = call.past_length if self.decodes else 0
        prompt = call.prompt_length if self.decodes else None
        columns = past + torch.arange(length, device=device)
        real = None if self.mask is None else _real_tokens(getattr(call, self.mask), past, length)
        if real is None:
            from_start, end = columns[None] + 1, past + length if prompt is None else prompt
            is_real = from_start > 0
        else:
            rank = real.to(device).cumsum(dim=1)
            end = rank[:, -1:] if prompt is None else rank[:, prompt - 1 : prompt]
            from_start, is_real = rank[:, columns], real.to(device)[:, columns]
        in_prompt = is_real & (past == 0 if prompt is None else columns < prompt)
        return Positions(from_start * is_real, (end - from_start + 1) * in_prompt)


def _real_tokens(mask: Any, past: int | Tensor, length: int) -> Tensor | None:
    """
    (batch, keys), False for padding; `None` if the mask does not tell. The mask may be the user's, or one that
    transformers made of it for a cache of fixed size: (batch, 1, queries, keys), where each real key is seen by some
    query, in a window by those near it.
    """
    if isinstance(mask, dict):
        mask = mask.get("full_attention")
    if not isinstance(mask, Tensor):
        return None
    if mask.dim() == 4:
        is_of_window = not isinstance(past, Tensor) and mask.shape[-1] < past + length  # keys have left the cache
        seen = mask[:, 0] if mask.dtype == torch.bool else mask[:, 0] == 0
        return None if is_of_window else seen.any(dim=1)
    is_of_keys = mask.dim() == 2 and (isinstance(past, Tensor) or mask.shape[1] == past + length)
    return mask.bool() if is_of_keys else None
