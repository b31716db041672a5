"""Prefix tuning: trained keys and values in front of those of an attention (Li & Liang, 2021).

The prefixes of all layers are made by one module that hangs on the model, in a pool. An attention asks it for the two
slices that are its own; it does so in its own forward, so that nothing has to be carried through the model. Weights
are read where their module is called, so that hooks which bring them from elsewhere (accelerate's) find them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig

from generated.core.composition import AdapterCompositionBlock, BatchSplit, Parallel, Route, Stack
from generated.core.composition.base import BATCH
from generated.core.configuration import PrefixTuningConfig
from generated.core.layers import states
from generated.core.layers.attention_mask import AttentionMask, PrefixColumns, extend_attention_mask, extend_left
from generated.core.layers.linear import Linear, activation
from generated.core.layers.routing import pick
from generated.core.layers.slot import AdapterModules, AdapterSlot


class PrefixShape(NamedTuple):
    """Sizes of the prefixes of one location: how many layers have one, and the keys and values of a layer."""

    layers: int
    heads: int
    head_dim: int

    @property
    def per_layer(self) -> int:
        """Numbers per position: keys and values."""
        return 2 * self.heads * self.head_dim


class PrefixTuning(nn.Module):
    """Prefixes that a small network makes from one embedding per position."""

    def __init__(self, shape: PrefixShape, hidden_size: int, config: PrefixTuningConfig) -> None:
        super().__init__()
        self.shape = shape
        self.prefix_length = config.prefix_length
        self.wte = nn.Embedding(config.prefix_length, hidden_size)
        self.control_trans = nn.Sequential(
            Linear(hidden_size, config.bottleneck_size),
            activation(config.non_linearity),
            Linear(config.bottleneck_size, shape.layers * shape.per_layer),
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, index: int, device: torch.device) -> Tensor:
        """
        Keys and values of the layer at `index`, (prefix length, 2 · heads · head_dim).

        Args:
            device: where to make them when the weights are offloaded.
        """
        reduce, non_linearity, expand = self.control_trans
        own = slice(index * self.shape.per_layer, (index + 1) * self.shape.per_layer)
        weights_at = self.wte.weight.device
        positions = torch.arange(self.prefix_length, device=device if weights_at.type == "meta" else weights_at)
        return expand(non_linearity(reduce(self.wte(positions))), own)

    def flatten(self) -> FlatPrefixTuning:
        """The same prefixes without the network that makes them."""
        flat = FlatPrefixTuning(self.shape, self.prefix_length, self.dropout.p)
        rows = self.control_trans(self.wte.weight).detach()
        flat.control_trans = nn.Parameter(rows.flatten(), requires_grad=self.wte.weight.requires_grad)
        return flat.train(self.training)


class FlatPrefixTuning(nn.Module):
    """Prefixes that are parameters themselves."""

    def __init__(self, shape: PrefixShape, prefix_length: int, dropout: float) -> None:
        super().__init__()
        self.shape = shape
        self.prefix_length = prefix_length
        self.control_trans = nn.Parameter(torch.randn(prefix_length * shape.layers * shape.per_layer))
        self.dropout = nn.Dropout(dropout)

    def forward(self, index: int, device: torch.device) -> Tensor:
        """Keys and values of the layer at `index`, (prefix length, 2 · heads · head_dim)."""
        return self.control_trans.view(self.prefix_length, self.shape.layers, self.shape.per_layer)[:, index]


class PrefixTuningPool(nn.Module):
    """All prefixes of a model: for each adapter one module per location, e.g. self_prefix and cross_prefix."""

    def __init__(self) -> None:
        super().__init__()
        self.prefix_tunings = AdapterModules()


class LayerPrefix(NamedTuple):
    """The prefix of one adapter at one attention: the module that makes it, and which of its layers this is."""

    source: PrefixTuning | FlatPrefixTuning
    index: int

    def key_values(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values, (batch, heads, prefix length, head_dim), for keys `like` these."""
        return self._divided(self.source.dropout(self._made(like).expand(like.shape[0], -1, -1)))

    def rows(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """The same for one example and without dropout, (heads, prefix length, head_dim)."""
        return self._divided(self._made(like))

    def _made(self, like: Tensor) -> Tensor:
        return self.source(self.index, like.device).to(dtype=like.dtype, device=like.device)

    def _divided(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        shape = self.source.shape
        keys, values = rows.unflatten(-1, (2, shape.heads, shape.head_dim)).unbind(dim=-3)
        return keys.transpose(-3, -2), values.transpose(-3, -2)


class PrefixTuningState(NamedTuple):
    """
    What a composition of prefixes works on.

    Args:
        key, value: (batch, heads, prefix so far, head_dim): what stands in front of keys and values.
        hidden_states: input of the attention, (batch, length, hidden).
        visible: (batch, prefix so far), False where a position only fills up; `None` if all are visible.
    """

    key: Tensor
    value: Tensor
    hidden_states: Tensor
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

    def _combined(
        self, parts: Sequence[PrefixTuningState], how: Callable[[list[Tensor]], Tensor]
    ) -> PrefixTuningState:
        """Prefixes of unequal length are filled up on the left."""
        lengths = [part.key.shape[-2] for part in parts]
        longest = max(lengths)
        filled = [part._filled_up(longest) for part in parts]
        is_even = min(lengths) == longest and all(part.visible is None for part in parts)
        return self._replace(
            key=how([part.key for part in filled]),
            value=how([part.value for part in filled]),
            visible=None if is_even else how([part.visible for part in filled]),
        )

    def _filled_up(self, length: int) -> PrefixTuningState:
        missing = length - self.key.shape[-2]
        key, value = (F.pad(tensor, (0, 0, missing, 0)) for tensor in (self.key, self.value))
        return self._replace(key=key, value=value, visible=F.pad(_seen(self.key, self.visible), (missing, 0)))


def _seen(keys: Tensor, visible: Tensor | None) -> Tensor:
    return keys.new_ones(keys.shape[0], keys.shape[-2], dtype=torch.bool) if visible is None else visible


class PrefixTuningShim(AdapterSlot, nn.Module):
    """
    Puts prefixes in front of the keys and values of one attention.

    Args:
        config: of the model; tells which attention kernel runs; `None` where attention is written out without it.
        head_dim: width of a key.
        is_causal: whether the kernel would hide the future by itself if it were given no mask.
    """

    supported_blocks = (Stack, BatchSplit, Parallel, Route)
    kind = "prefix tuning"

    def __init__(self, config: PreTrainedConfig | None, head_dim: int, is_causal: bool) -> None:
        super().__init__()
        self.config = config
        self.head_dim = head_dim
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
        self, query: Tensor, key: Tensor, value: Tensor, mask: AttentionMask, hidden_states: Tensor
    ) -> tuple[Tensor, Tensor, AttentionMask]:
        """
        Extend keys, values and mask; unchanged if no prefix is active.

        Args:
            query, key, value: (batch, heads, length, head_dim), after rotary embeddings and cache.
            mask: any mask that transformers may pass, see `attention_mask`.
            hidden_states: input of the attention, (batch, length, hidden), which gates read.
        """
        if self.active is None:
            return key, value, mask
        nothing = key[:, :, :0]
        state = self.active.run(self, PrefixTuningState(nothing, nothing, hidden_states))
        implementation = "eager" if self.config is None else self.config._attn_implementation
        mask = extend_attention_mask(mask, state.columns, query, key, implementation, self._hides_future)
        return torch.cat([state.key, key], dim=-2), torch.cat([state.value, value], dim=-2), mask

    def flat(
        self, query: Tensor, key: Tensor, value: Tensor, mask: AttentionMask, hidden_states: Tensor
    ) -> tuple[Tensor, Tensor, AttentionMask]:
        """The same for states (batch · heads, length, head_dim)."""
        query, key, value = (heads.unflatten(0, (len(hidden_states), -1)) for heads in (query, key, value))
        key, value, mask = self(query, key, value, mask, hidden_states)
        return key.flatten(0, 1), value.flatten(0, 1), mask

    @property
    def _hides_future(self) -> bool:
        """transformers lets callers and users of a model switch it off; what a caller says is in force once more
        when layers are run again in the backward pass, while the configuration is as before."""
        said = None if self.inputs is None else self.inputs.call.is_causal
        return self.is_causal and (getattr(self.config, "is_causal", True) if said is None else said)

    def run_adapter(self, name: str, state: PrefixTuningState) -> PrefixTuningState:
        keys, values = self.prefixes[name].key_values(like=state.key)
        if name in self.prefix_gates:
            gate = self.prefix_gates[name](state.hidden_states)
            self.record_gate(name, gate)
            gate = gate.unsqueeze(-1).to(keys.dtype)
            keys, values = keys * gate[:, :, :1], values * gate[:, :, -1:]
        return state.after(keys, values)

    def route(self, block: Route, state: PrefixTuningState, *, is_last: bool) -> PrefixTuningState:
        prefixes = [self.prefixes[child] for child in block if isinstance(child, str)]
        is_plain = not any(child in self.prefix_gates for child in block) and not self._drops(prefixes)
        if len(prefixes) != len(block) or not is_plain:
            return super().route(block, state, is_last=is_last)
        rows = self.inputs.rows_for(block, state.size(BATCH))
        keys, values = zip(*(prefix.rows(state.key) for prefix in prefixes), strict=True)
        visible = pick([key.new_ones(key.shape[1], dtype=torch.bool) for key in keys], rows)
        visible = visible & (rows.to(visible.device) >= 0).unsqueeze(1)
        return state.after(pick(keys, rows), pick(values, rows), visible)

    def _drops(self, prefixes: Sequence[LayerPrefix]) -> bool:
        return self.training and any(prefix.source.dropout.p for prefix in prefixes)

    def extend_mask(self, mask: Tensor) -> Tensor:
        """Let a mask of the attention's own cover the active prefix: "may attend" on the left."""
        return extend_left(mask, PrefixColumns(self.length))

    def extend_bias(self, position_bias: Tensor | None) -> Tensor | None:
        """Let a bias of the scores cover the active prefix: zeros on the left."""
        if position_bias is None or self.active is None:
            return position_bias
        return F.pad(position_bias, (self.length, 0))

    def _length_of(self, setup: AdapterCompositionBlock | str | None) -> int:
        if setup is None:
            return 0
        if isinstance(setup, str):
            return self.prefixes[setup].source.prefix_length
        lengths = [self._length_of(child) for child in setup]
        return sum(lengths) if isinstance(setup, Stack) else max(lengths)
