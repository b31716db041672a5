"""Prefix tuning: trained keys and values in front of those of an attention (Li & Liang, 2021).

The prefixes of all layers are made by one module that hangs on the model, in a pool. An attention asks it for the two
slices that are its own; it does so in its own forward, so that nothing has to be carried through the model.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig

from generated.core.composition import AdapterCompositionBlock, BatchSplit, Parallel, Route, Stack
from generated.core.composition.base import BATCH
from generated.core.errors import UnsupportedMethodError
from generated.core.layers.attention_mask import AttentionMask, PrefixColumns, extend_attention_mask, extend_left
from generated.core.layers.prefix_state import PrefixTuningState
from generated.core.layers.prefix_weights import LayerPrefix
from generated.core.layers.prefixed_attention import Attend, PrefixedAttention
from generated.core.layers.slot import AdapterModules, AdapterSlot


class PrefixTuningShim(AdapterSlot, nn.Module):
    """
    Puts prefixes in front of the keys and values of one attention.

    Args:
        config: of the model; tells which attention kernel runs; `None` where attention is written out without it.
        head_dim: width of a key.
        is_causal: whether the kernel would hide the future by itself if it were given no mask.
        value_dim: width of a value; `None` for that of a key.
        heads: number of heads of keys; `None` if the width of the projection that makes them tells.
        hidden_dim: width of the input; `None` if it is that of what keys are projected from, or the model's.
    """

    supported_blocks = (Stack, BatchSplit, Parallel, Route)
    kind = "prefix tuning"

    def __init__(
        self,
        config: PreTrainedConfig | None,
        head_dim: int,
        is_causal: bool,
        value_dim: int | None = None,
        heads: int | None = None,
        hidden_dim: int | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.head_dim = head_dim
        self.value_dim = value_dim or head_dim
        self.heads = heads
        self.hidden_dim = hidden_dim
        self.is_causal = is_causal
        self.prefixes: dict[str, LayerPrefix] = {}
        self.prefix_gates = AdapterModules()

    @property
    def container(self) -> AdapterModules:
        return self.prefix_gates

    @property
    def held(self) -> Collection[str]:
        return self.prefixes.keys()

    @property
    def length(self) -> int:
        """Number of prefix positions that are active here: of the longest prefix, where examples differ."""
        return 0 if self.active is None else self._length_of(self.active)

    def forget(self, name: str) -> None:
        self.prefixes.pop(name, None)

    def rename(self, name: str, new_name: str) -> None:
        self.prefixes = {new_name if key == name else key: prefix for key, prefix in self.prefixes.items()}

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: AttentionMask,
        hidden_states: Tensor,
        is_causal: bool | None = None,
        *,
        turned: bool = False,
        mask_hides: bool = False,
    ) -> tuple[Tensor, Tensor, AttentionMask]:
        """
        Extend keys, values and mask; unchanged if no prefix is active.

        Args:
            query, key, value: (batch, heads, length, width), after rotary embeddings and cache. Values may be filled
                up with zeros to the width of keys, as some kernels want it.
            mask: any mask that transformers may pass, see `attention_mask`.
            hidden_states: input of the attention, (batch, …, hidden), which gates read. There may be several rows of
                keys for each example, such as windows.
            is_causal: what the kernel is told in this call of hiding the future; `None` if it asks the module.
            turned: keys are (batch, heads, width, length), and so are the extended ones.
            mask_hides: the mask tells which keys are hidden, boolean or in numbers, and so does the extended one.
        """
        if self.active is None:
            return key, value, mask
        if turned:
            key = key.transpose(-1, -2)
        state = self.prefixes_for(key, value, rows_of(hidden_states, key.shape[0]))
        if mask_hides and mask is not None:
            mask = ~mask.bool()
        is_last_token = mask is None and query.shape[-2] == 1 and state.visible is None
        if not is_last_token:  # which sees everything
            hides_future = self.hides_future(is_causal)
            mask = extend_attention_mask(mask, state.columns, query, key, self.implementation, hides_future)
        if mask_hides and mask is not None:
            mask = mask.bool() if mask.is_floating_point() else ~mask
        keys, values = state.before(key, value)
        return keys.transpose(-1, -2) if turned else keys, values, mask

    def unmasked(self, key: Tensor, value: Tensor, hidden_states: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """
        Extend keys and values of an attention without a mask of its rows; unchanged if no prefix is active.

        Args:
            key, value: (rows, heads, length, width), (rows · heads, length, width), or of several windows in each row,
                (rows, heads, windows, length, width).
            hidden_states: input of the attention, as for `forward`.

        Returns:
            keys, values, and for `hide`: (rows, prefix), which positions of the prefix each row may see; `None` if all
            see all of it.
        """
        if self.active is None:
            return key, value, None
        if key.dim() == 3:
            by_row = (heads.unflatten(0, (hidden_states.shape[0], -1)) for heads in (key, value))
            key, value, visible = self.unmasked(*by_row, hidden_states)
            return key.flatten(0, 1), value.flatten(0, 1), visible
        state = self.prefixes_for(key, value, rows_of(hidden_states, key.shape[0]))
        return *state.before(key, value), state.visible

    def hide(self, scores: Tensor, visible: Tensor | None) -> Tensor:
        """The scores, (rows, …, prefix + keys), without those of positions that only fill up the prefix of a row."""
        if visible is None:
            return scores
        by_row = scores.unflatten(0, (visible.shape[0], -1))
        hidden = F.pad(~visible, (0, scores.shape[-1] - visible.shape[-1]))
        hidden = hidden.view(visible.shape[0], *(1,) * (by_row.dim() - 2), -1)
        return by_row.masked_fill(hidden, torch.finfo(scores.dtype).min).flatten(0, 1)

    def around(
        self, attend: Attend, hidden_states: Tensor, boundaries: Tensor | None = None
    ) -> Attend | PrefixedAttention:
        """The attention function, with a prefix before each sequence; see `PrefixedAttention`."""
        return attend if self.active is None else PrefixedAttention(self, attend, hidden_states, boundaries)

    def prefixes_for(self, key: Tensor, value: Tensor, hidden_states: Tensor | None) -> PrefixTuningState:
        """What stands in front of these keys and values, (batch, heads, …, length, width)."""
        if self.alone is not None:
            return PrefixTuningState(*self.prefixes[self.alone].key_values(like=key), hidden_states)
        nothing = key.flatten(2, -2)[:, :, :0], value.flatten(2, -2)[:, :, :0, : self.value_dim]
        return self.active.run(self, PrefixTuningState(*nothing, hidden_states))

    def flat(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: AttentionMask,
        hidden_states: Tensor,
        *,
        turned: bool = False,
        mask_hides: bool = False,
    ) -> tuple[Tensor, Tensor, AttentionMask]:
        """The same for states (batch · heads, length, width)."""
        query, key, value = (heads.unflatten(0, (hidden_states.shape[0], -1)) for heads in (query, key, value))
        key, value, mask = self(query, key, value, mask, hidden_states, turned=turned, mask_hides=mask_hides)
        return key.flatten(0, 1), value.flatten(0, 1), mask

    def _acting_alone(self, name: str) -> str | None:
        return None if name in self.prefix_gates else name

    @property
    def implementation(self) -> str:
        return "eager" if self.config is None else self.config._attn_implementation

    def hides_future(self, told: bool | None) -> bool:
        """transformers lets callers and users of a model switch it off; what a caller says is in force once more
        when layers are run again in the backward pass, while the configuration is as before."""
        if told is not None:
            return told
        said = None if self.inputs is None else self.inputs.call.is_causal
        return self.is_causal and (getattr(self.config, "is_causal", True) if said is None else said)

    def run_adapter(self, name: str, state: PrefixTuningState) -> PrefixTuningState:
        keys, values = self.prefixes[name].key_values(like=state.key)
        if name in self.prefix_gates:
            if state.hidden_states is None:
                raise UnsupportedMethodError("gated prefixes need sequences of one length, such as images of one size")
            gate = self.prefix_gates[name](state.hidden_states)
            self.record_gate(name, gate)
            gate = gate.unsqueeze(-1).to(keys.dtype)
            keys, values = keys * gate[:, :, :1], values * gate[:, :, -1:]
        return state.after(keys, values)

    def route(self, block: Route, state: PrefixTuningState, *, is_last: bool) -> PrefixTuningState:
        routing = self.inputs.routing(block, state.size(BATCH))
        needed = [block[child] for child in routing.children]
        if self._can_be_stacked(needed):
            keys, values = zip(*(self.prefixes[name].rows(state.key) for name in needed), strict=True)
            visible = routing.pick([key.new_ones(key.shape[1], dtype=torch.bool) for key in keys])
            visible = routing.where(visible, torch.zeros_like(visible))
            routed = state.after(routing.pick(keys), routing.pick(values), visible)
        else:
            routed = super().route(block, state, is_last=is_last)
        length = state.key.shape[-2] + self._length_of(block)  # as of all children, whichever are needed now
        return routed if routed.key.shape[-2] == length else routed.filled_up(length)

    def _can_be_stacked(self, children: Sequence[str | AdapterCompositionBlock | None]) -> bool:
        if not all(isinstance(child, str) and child not in self.prefix_gates for child in children):
            return False
        return not (self.training and any(self.prefixes[name].source.dropout.p for name in children))

    def extend_mask(self, mask: Tensor) -> Tensor:
        """Let a mask of the attention's own cover the active prefix: "may attend" on the left."""
        return extend_left(mask, PrefixColumns(self.length))

    def extend_bias(self, position_bias: Tensor | None) -> Tensor | None:
        """Let a bias of the scores cover the active prefix: zeros on the left."""
        if position_bias is None or self.active is None:
            return position_bias
        return F.pad(position_bias, (self.length, 0))

    def without(self, scores: Tensor) -> Tensor:
        """The scores, (…, prefix + keys), of the keys alone."""
        return scores if self.active is None else scores[..., self.length :]

    def _length_of(self, setup: AdapterCompositionBlock | str | None) -> int:
        if setup is None:
            return 0
        if isinstance(setup, str):
            return self.prefixes[setup].source.prefix_length
        lengths = [self._length_of(child) for child in setup]
        return sum(lengths) if isinstance(setup, Stack) else max(lengths)


def rows_of(hidden_states: Tensor, count: int) -> Tensor:
    """(batch, …, hidden) as `count` rows (length, hidden), those of one example next to each other."""
    hidden_states = hidden_states.flatten(1, -2) if hidden_states.dim() > 2 else hidden_states.unsqueeze(0)
    if hidden_states.shape[0] == count:
        return hidden_states
    if count % hidden_states.shape[0]:
        return hidden_states.reshape(count, -1, hidden_states.shape[-1])
    return hidden_states.repeat_interleave(count // hidden_states.shape[0], dim=0)
