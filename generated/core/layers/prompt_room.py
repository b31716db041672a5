"""How do the arguments of a model make room for a prompt, and how is it taken out of outputs again?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from generated.core.errors import UnsupportedMethodError


KINDS = ("token_type_ids", "langs")  # of each position
GLOBAL = "global_attention_mask"  # the positions that all others see, also from afar


class PromptRoom(NamedTuple):
    """
    Where a prompt stands in every row.

    Args:
        length: number of its positions.
        follows_bos: it comes behind the first position, not in front of it.
    """

    length: int
    follows_bos: bool

    @property
    def start(self) -> int:
        return int(self.follows_bos)

    def insert(self, tensor: Tensor, prompt: Tensor) -> Tensor:
        """(batch, length, …) with something for the positions of the prompt, of the same batch."""
        return torch.cat([tensor[:, : self.start], prompt, tensor[:, self.start :]], dim=1)

    def remove(self, tensor: Tensor) -> Tensor:
        """(batch, length, …) without the positions of the prompt."""
        behind = tensor[:, self.start + self.length :]
        return torch.cat([tensor[:, : self.start], behind], dim=1) if self.start else behind

    def masked(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """
        Arguments of a model whose mask says that everyone may look at the prompt, if it is near enough.

        Raises:
            UnsupportedMethodError: the mask tells more than padding.
        """
        mask, seen_by_all = arguments.get("attention_mask"), arguments.get(GLOBAL)
        if seen_by_all is not None:
            near = seen_by_all.new_zeros(seen_by_all.shape[0], self.length)
            arguments = {**arguments, GLOBAL: self.insert(seen_by_all, near)}
        if mask is None:
            return dict(arguments)
        if not isinstance(mask, Tensor) or mask.dim() != 2:
            raise UnsupportedMethodError(
                "a prompt needs an attention mask of the form (batch, length), or none: this one is made for the "
                "queries and keys of the input alone (a cache of fixed size makes such masks, and has no room either)"
            )
        return {**arguments, "attention_mask": self.insert(mask, mask.new_ones(mask.shape[0], self.length))}

    def moved(self, arguments: Mapping[str, Any], *, is_first: bool) -> dict[str, Any]:
        """Arguments whose positions, kinds of positions and lengths, if there are any, count the prompt."""
        positions, lengths = arguments.get("position_ids"), arguments.get("lengths")
        changes = {}
        if positions is not None:
            changes["position_ids"] = self._positions(positions) if is_first else positions + self.length
        if lengths is not None:
            changes["lengths"] = lengths + self.length
        for name in KINDS if is_first else ():
            if (kinds := arguments.get(name)) is not None:
                changes[name] = self.insert(kinds, kinds[:, :1].expand(-1, self.length))
        return {**arguments, **changes}

    def _positions(self, positions: Tensor) -> Tensor:
        own = torch.arange(self.start, self.start + self.length, device=positions.device, dtype=positions.dtype)
        moved = torch.cat([positions[:, : self.start], positions[:, self.start :] + self.length], dim=1)
        return self.insert(moved, own.expand(positions.shape[0], -1))
