"""What stands in front of the keys and values of one attention, while a composition of prefixes is worked out?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from generated.core.layers import states
from generated.core.layers.attention_mask import PrefixColumns


class PrefixTuningState(NamedTuple):
    """
    What a composition of prefixes works on.

    Args:
        key, value: (batch, heads, prefix so far, width): what stands in front of keys and values.
        hidden_states: input of the attention, (batch, length, hidden); `None` if examples differ in length.
        visible: (batch, prefix so far), False where a position only fills up; `None` if all are visible.
    """

    key: Tensor
    value: Tensor
    hidden_states: Tensor | None
    visible: Tensor | None = None

    @property
    def columns(self) -> PrefixColumns:
        return PrefixColumns(self.key.shape[-2], self.visible)

    def size(self, dim: int) -> int:
        return self.key.shape[dim]

    def narrow(self, dim: int, start: int, length: int) -> PrefixTuningState:
        return PrefixTuningState(*(states.narrow(tensor, dim, start, length) for tensor in self))

    def join(self, parts: Sequence[PrefixTuningState], dim: int) -> PrefixTuningState:
        return self._combined(parts, partial(torch.cat, dim=dim))

    def choose(self, parts: Sequence[PrefixTuningState], rows: Tensor) -> PrefixTuningState:
        return self._combined(parts, partial(states.choose, rows=rows))

    def after(self, keys: Tensor, values: Tensor, visible: Tensor | None = None) -> PrefixTuningState:
        """With a further prefix in front, parts of which may only fill up."""
        if visible is not None or self.visible is not None:
            visible = torch.cat([_seen(keys, visible), _seen(self.key, self.visible)], dim=-1)
        return self._replace(
            key=torch.cat([keys, self.key], dim=-2), value=torch.cat([values, self.value], dim=-2), visible=visible
        )

    def before(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """
        Keys and values with this in front of them, or of each window, (batch, heads, windows, length, width). Values
        may be filled up with zeros to the width of keys.
        """
        keys, values = self.key, self.value
        if values.shape[-1] != value.shape[-1]:
            values = F.pad(values, (0, value.shape[-1] - values.shape[-1]))
        if key.dim() == 5:
            keys, values = (part.unsqueeze(2).expand(-1, -1, key.shape[2], -1, -1) for part in (keys, values))
        return torch.cat([keys, key], dim=-2), torch.cat([values, value], dim=-2)

    def _combined(
        self, parts: Sequence[PrefixTuningState], how: Callable[[list[Tensor]], Tensor]
    ) -> PrefixTuningState:
        """Prefixes of unequal length are filled up on the left."""
        lengths = [part.key.shape[-2] for part in parts]
        longest = max(lengths)
        filled = [part.filled_up(longest) for part in parts]
        is_even = min(lengths) == longest and all(part.visible is None for part in parts)
        return self._replace(
            key=how([part.key for part in filled]),
            value=how([part.value for part in filled]),
            visible=None if is_even else how([part.visible for part in filled]),
        )

    def filled_up(self, length: int) -> PrefixTuningState:
        """With positions on the left that nobody sees."""
        missing = length - self.key.shape[-2]
        key, value = (F.pad(tensor, (0, 0, missing, 0)) for tensor in (self.key, self.value))
        return self._replace(key=key, value=value, visible=F.pad(_seen(self.key, self.visible), (missing, 0)))


def _seen(keys: Tensor, visible: Tensor | None) -> Tensor:
    return keys.new_ones(keys.shape[0], keys.shape[-2], dtype=torch.bool) if visible is None else visible
