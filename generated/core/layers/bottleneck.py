"""Bottleneck adapters: what one computes, and how it meets the residual and the norm of the layer it sits in.

With h the output of a sub-layer, r its residual, N the norm after the addition (post-norm models only):

    sequential   before: x = h or N(h + r)      block: f(x) + skip      after: N(f + r), f + r or f
    parallel     before: x = r                  block: f(r)             after: the same on f + h

Where a norm stands between the sub-layer and the addition (Ding et al., 2021), adapters come before it: N(f) + r.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from generated.core.composition import (
    AdapterCompositionBlock,
    Average,
    BatchSplit,
    Fuse,
    Parallel,
    Route,
    Split,
    Stack,
)
from generated.core.composition.base import run_child
from generated.core.configuration import BnConfig
from generated.core.errors import AdapterConfigError, UnsupportedCompositionError
from generated.core.layers import states
from generated.core.layers.fusion import FusionModules
from generated.core.layers.linear import Gate, Linear, activation, init_bert_weights
from generated.core.layers.phm import PHMLinear
from generated.core.layers.slot import AdapterHostMixin, AdapterModules, AdapterSlot


if TYPE_CHECKING:
    from generated.core.forward_inputs import ForwardInputs


Norm = Callable[[Tensor], Tensor]


def add_and_norm(hidden_states: Tensor, residual: Tensor | None, norm: Norm | None) -> Tensor:
    """What the layer itself does at this place. There is no residual where two branches share one addition."""
    added = hidden_states if residual is None else hidden_states + residual
    return added if norm is None else norm(added)


class BottleneckAdapter(nn.Module):
    """
    Down-projection, non-linearity, up-projection.

    Args:
        hidden_size: width of the layer.
        width: width of the bottleneck.
        shared: parameters that all hypercomplex projections of the adapter use together, if any.
    """

    def __init__(self, hidden_size: int, width: int, config: BnConfig, shared: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        down = []
        if config.ln_before:
            self.adapter_norm_before = nn.LayerNorm(hidden_size)
            down.append(self.adapter_norm_before)
        self.adapter_down = nn.Sequential(
            *down, _projection(hidden_size, width, "down", config, shared), activation(config.non_linearity)
        )
        self.adapter_up = _projection(width, hidden_size, "up", config, shared)
        self.scaling = _scaling(config.scaling, hidden_size)
        if config.ln_after:
            self.adapter_norm_after = nn.LayerNorm(hidden_size)
        if config.use_gating:
            self.gate = Gate(hidden_size, 1)
        self.stochastic_depth = StochasticDepth(config.stochastic_depth or 0.0)
        self.dropout = nn.Dropout(config.dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        if self.config.init_weights not in INITIALIZERS:
            known = ", ".join(INITIALIZERS)
            raise AdapterConfigError(f"unknown init_weights {self.config.init_weights!r}; known: {known}")
        INITIALIZERS[self.config.init_weights](self)

    def before(self, hidden_states: Tensor, residual: Tensor | None, norm: Norm | None) -> tuple[Tensor, Tensor]:
        """The block's input, and the residual around the block."""
        config = self.config
        if config.is_parallel:
            return residual, residual
        if not config.original_ln_before:
            return hidden_states, hidden_states
        added = add_and_norm(hidden_states, residual, None)
        block_input = added if norm is None else norm(added)
        if config.residual_before_ln == "post_add":
            return block_input, added
        return block_input, hidden_states if config.residual_before_ln else block_input

    def forward(self, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """
        Args:
            x: input of the block, (batch, length, hidden).
            skip: the residual around it.

        Returns:
            Output of the block, what it adds to `skip` before any norm (both of the same shape), and the gate, if
            there is one, (batch, 1, 1).
        """
        up = self.stochastic_depth(self.adapter_up(self.adapter_down(x)))
        up = self.dropout(up * self.scaling)
        gate = self.gate(x) if self.config.use_gating else None
        if gate is not None:
            up = up * gate
        return self._around(up, skip), up, gate

    def _around(self, up: Tensor, skip: Tensor) -> Tensor:
        if self.config.is_parallel:
            return self._norm_after(up)
        if self.config.adapter_residual_before_ln:
            return self._norm_after(up + skip)
        return self._norm_after(up) + skip

    def after(self, state: BottleneckState) -> Tensor:
        """What leaves the layer's residual addition, when the state holds the block's output."""
        output = state.hidden_states
        if self.config.is_parallel:
            output = output + state.plain
        return state.add_to_residual(output) if self.config.original_ln_after else output

    def _norm_after(self, output: Tensor) -> Tensor:
        return self.adapter_norm_after(output) if self.config.ln_after else output


class StochasticDepth(nn.Module):
    """In training, zero an example with probability `p` and scale the others by 1 / (1 - p) (Huang et al., 2016)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return x
        kept = 1 - self.p
        keep = x.new_empty(x.shape[0], *(1,) * (x.dim() - 1)).bernoulli_(kept)
        return x * keep / (kept or 1.0)


class BottleneckState(NamedTuple):
    """
    What a composition of bottleneck adapters works on: output of the sub-layer, its residual, the norm after both.

    `up` is what the last adapter added, which a fusion mixes; `plain` is the sub-layer's output without adapters.
    `is_inner` says that the norm takes what is added to the residual, not the sum.
    """

    hidden_states: Tensor
    residual: Tensor | None
    norm: Norm | None
    plain: Tensor
    up: Tensor | None = None
    is_inner: bool = False

    def add_to_residual(self, hidden_states: Tensor) -> Tensor:
        """What the layer itself does with the output of the sub-layer."""
        if self.is_inner:
            return add_and_norm(self.norm(hidden_states), self.residual, None)
        return add_and_norm(hidden_states, self.residual, self.norm)

    def size(self, dim: int) -> int:
        return self.hidden_states.shape[dim]

    def narrow(self, dim: int, start: int, length: int) -> BottleneckState:
        parts = (
            states.narrow(tensor, dim, start, length) for tensor in (self.hidden_states, self.residual, self.plain)
        )
        hidden_states, residual, plain = parts
        return BottleneckState(hidden_states, residual, self.norm, plain, is_inner=self.is_inner)

    def join(self, parts: Sequence[BottleneckState], dim: int) -> BottleneckState:
        return self._replace(hidden_states=torch.cat([part.hidden_states for part in parts], dim))

    def mean(self, parts: Sequence[BottleneckState], weights: Sequence[float]) -> BottleneckState:
        return self._replace(hidden_states=states.mean([part.hidden_states for part in parts], weights))

    def choose(self, parts: Sequence[BottleneckState], rows: Tensor) -> BottleneckState:
        return self._replace(hidden_states=states.choose([part.hidden_states for part in parts], rows))


class AdapterLayerMixin(AdapterHostMixin, AdapterSlot):
    """The bottleneck adapters of one residual addition."""

    supported_blocks = (Stack, Fuse, Split, BatchSplit, Parallel, Average, Route)
    kind = "bottleneck adapters"

    def _init_adapter_modules(self) -> None:
        self.active = self.inputs = None
        self.adapters = AdapterModules()
        self.adapter_fusion_layer = FusionModules()

    @property
    def container(self) -> AdapterModules:
        return self.adapters

    def activate(self, setup: AdapterCompositionBlock | None, inputs: ForwardInputs | None = None) -> None:
        super().activate(setup, inputs)
        for block in self.active.blocks if self.active is not None else ():
            if isinstance(block, Fuse) and len(block) > 1 and block.name not in self.adapter_fusion_layer:
                raise UnsupportedCompositionError(
                    f"{block!r}: the model has no fusion {block.name!r} yet; add it with add_adapter_fusion"
                )

    def adapter_layer_forward(
        self,
        hidden_states: Tensor,
        residual: Tensor | None,
        layer_norm: Norm | None = None,
        *,
        inner_norm: Norm | None = None,
    ) -> Tensor:
        """
        Take the place of `layer_norm(hidden_states + residual)`, or of `inner_norm(hidden_states) + residual`.

        Args:
            hidden_states: output of the sub-layer, (batch, length, hidden).
            residual: what the layer adds to it, of the same shape, or `None`.
            layer_norm: the norm that follows the addition, or `None` in a pre-norm model.
            inner_norm: the norm between the sub-layer and the addition, if the model has one there.
        """
        is_inner = inner_norm is not None
        norm = inner_norm if is_inner else layer_norm
        state = BottleneckState(hidden_states, residual, norm, plain=hidden_states, is_inner=is_inner)
        if self.active is None:
            return state.add_to_residual(hidden_states)
        return self.active.run(self, state).hidden_states

    def run_adapter(self, name: str, state: BottleneckState) -> BottleneckState:
        adapter = self.adapters[name]
        block_input, skip = adapter.before(state.hidden_states, state.residual, state.norm)
        output, up, gate = adapter(block_input, skip)
        if gate is not None:
            self.record_gate(name, gate)
        return state._replace(hidden_states=output.to(skip.dtype), up=up)  # an adapter may have a type of its own

    def finish(self, name: str | None, state: BottleneckState) -> BottleneckState:
        finished = state.add_to_residual(state.hidden_states) if name is None else self.adapters[name].after(state)
        return state._replace(hidden_states=finished)

    def fuse(self, block: Fuse, state: BottleneckState) -> BottleneckState:
        fusion = self.adapter_fusion_layer[block.name]
        last = self.adapters[block.last()]
        block_input, skip = last.before(state.hidden_states, state.residual, state.norm)
        query = state.hidden_states if fusion.config.query_before_ln and not last.config.is_parallel else block_input
        parts = [run_child(child, self, state, is_last=False) for child in block.children]
        up = torch.stack([part.up for part in parts], dim=-2).to(query.dtype)
        mixed, attention = fusion(query, up, None if last.config.is_parallel else skip)
        if self.records is not None:
            self.records.add_fusion(block.name, self.adapters.place, attention)
        return state._replace(hidden_states=mixed, up=None)


class AdapterLayer(AdapterLayerMixin, nn.Module):
    """A slot as a module of its own, for hosts whose forward adds more than one residual."""

    def __init__(self) -> None:
        super().__init__()
        self._init_adapter_modules()


def _projection(
    in_features: int, out_features: int, position: str, config: BnConfig, shared: nn.Module | None
) -> nn.Module:
    if config.phm_layer:
        return PHMLinear(in_features, out_features, position, config, shared)
    return Linear(in_features, out_features)


def _scaling(scaling: float | str, hidden_size: int) -> float | nn.Parameter:
    if scaling == "learned":
        return nn.Parameter(torch.ones(1))
    if scaling == "channel":
        return nn.Parameter(torch.ones(hidden_size))
    if isinstance(scaling, str):
        raise AdapterConfigError(f"unknown scaling {scaling!r}; give a number, 'learned' or 'channel'")
    return float(scaling)


def _dense(adapter: BottleneckAdapter) -> tuple[list[Linear], list[Linear]]:
    """The dense projections down and up. Hypercomplex ones have an initialisation of their own."""
    down = [module for module in adapter.adapter_down if isinstance(module, Linear)]
    return down, [adapter.adapter_up] if isinstance(adapter.adapter_up, Linear) else []


def _init_bert(adapter: BottleneckAdapter) -> None:
    adapter.adapter_down.apply(init_bert_weights)
    adapter.adapter_up.apply(init_bert_weights)
    if adapter.config.use_gating:
        init_bert_weights(adapter.gate)


def _init_as_zero(adapter: BottleneckAdapter) -> None:
    """He et al., 2022: the block starts as the zero function."""
    down, up = _dense(adapter)
    for linear in down:
        linear.reset_parameters()
        nn.init.zeros_(linear.bias)
    for linear in up:
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    if adapter.config.use_gating:
        init_bert_weights(adapter.gate)


def _init_houlsby(adapter: BottleneckAdapter) -> None:
    down, up = _dense(adapter)
    for linear in (*down, *up):
        nn.init.trunc_normal_(linear.weight, std=0.01, a=-0.02, b=0.02)
        nn.init.zeros_(linear.bias)


INITIALIZERS = {"bert": _init_bert, "mam_adapter": _init_as_zero, "houlsby": _init_houlsby}
