"""An attention function of transformers that puts a prefix in front of each sequence that it is given.

Several sequences may follow one another in one row, such as the patches of several images. Upstream's code then says
where each ends, to a kernel that knows of it, or calls the function once for each. Each sequence gets its own prefix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generated.core.layers.attention_mask import AttentionMask, PrefixColumns, extend_attention_mask


if TYPE_CHECKING:
    from generated.core.layers.prefix_state import PrefixTuningState
    from generated.core.layers.prefix_tuning import PrefixTuningShim

Attend = Callable[..., tuple[Tensor, Tensor | None]]


class PrefixedAttention:
    """
    For one forward of an attention.

    Args:
        shim: has the prefixes.
        attend: transformers' function.
        hidden_states: input of the attention, (batch, length, hidden), or (length, hidden) in one row.
        boundaries: (sequences + 1), the positions at which sequences in one row begin, and the end of the last;
            `None` where each row is a sequence.
    """

    def __init__(
        self, shim: PrefixTuningShim, attend: Attend, hidden_states: Tensor, boundaries: Tensor | None
    ) -> None:
        self.shim = shim
        self.attend = attend
        self.hidden_states = hidden_states
        self.lengths = None if boundaries is None else boundaries.diff().tolist()
        self._state: PrefixTuningState | None = None
        self._called = 0

    def __call__(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: AttentionMask = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        said_to_kernel = kwargs.get("cu_seq_lens_k")
        if said_to_kernel is not None:
            self.lengths = said_to_kernel.diff().tolist()
            return self._attend_to_all(module, query, key, value, attention_mask, kwargs)
        if self.lengths is not None:
            return self._attend_to_one(module, query, key, value, attention_mask, kwargs)
        told = kwargs.get("is_causal")
        key, value, mask = self.shim(query, key, value, attention_mask, self.hidden_states, is_causal=told)
        return self.attend(module, query, key, value, mask, **self._with_extended_biases(kwargs))

    def _with_extended_biases(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {
            name: self.shim.extend_bias(given) if name.endswith("bias") else given for name, given in kwargs.items()
        }

    def _attend_to_one(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: AttentionMask,
        kwargs: dict[str, Any],
    ) -> tuple[Tensor, Tensor | None]:
        """Sequences come one after the other. Weights are returned without the prefix, as upstream lays them out."""
        keys, values = self._extended(self._called, key, value)
        self._called += 1
        columns = PrefixColumns(keys.shape[-2] - key.shape[-2])
        hides_future = self.shim.hides_future(kwargs.get("is_causal"))
        mask = extend_attention_mask(mask, columns, query, key, self.shim.implementation, hides_future)
        output, weights = self.attend(module, query, keys, values, mask, **kwargs)
        return output, None if weights is None else weights[..., columns.length :]

    def _attend_to_all(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: AttentionMask,
        kwargs: dict[str, Any],
    ) -> tuple[Tensor, Tensor | None]:
        """A kernel takes all sequences at once, and where they end."""
        parts = zip(key.split(self.lengths, dim=-2), value.split(self.lengths, dim=-2), strict=True)
        extended = [self._extended(number, *part) for number, part in enumerate(parts)]
        keys, values = (torch.cat(states, dim=-2) for states in zip(*extended, strict=True))
        lengths = [part.shape[-2] for part, _ in extended]
        ends = torch.tensor([0, *lengths]).cumsum(0).to(kwargs["cu_seq_lens_k"])
        kwargs = {**kwargs, "cu_seq_lens_k": ends, "max_length_k": max(lengths)}
        return self.attend(module, query, keys, values, mask, **kwargs)

    def _extended(self, number: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of one sequence, (1, heads, length, width), after its prefix."""
        state = self._prefixes(key, value)
        prefix_key, prefix_value = state.key[number : number + 1], state.value[number : number + 1]
        if state.visible is not None:
            seen = state.visible[number]
            prefix_key, prefix_value = prefix_key[:, :, seen], prefix_value[:, :, seen]
        prefix_value = F.pad(prefix_value, (0, value.shape[-1] - prefix_value.shape[-1]))
        return torch.cat([prefix_key, key], dim=-2), torch.cat([prefix_value, value], dim=-2)

    def _prefixes(self, key: Tensor, value: Tensor) -> PrefixTuningState:
        """Those of all sequences, made once."""
        if self._state is None:
            rows = (len(self.lengths), -1, -1, -1)
            self._state = self.shim.prefixes_for(key.expand(rows), value.expand(rows), self._input_by_sequence())
        return self._state

    def _input_by_sequence(self) -> Tensor | None:
        """(sequences, length, hidden), if all have the same length."""
        same_length = len(set(self.lengths)) == 1
        states = self.hidden_states.flatten(0, -2)
        return states.unflatten(0, (len(self.lengths), -1)) if same_length else None
