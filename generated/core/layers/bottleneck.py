"""Bottleneck adapters: what one computes, and how it meets the residual and the norm of the layer it sits in.

With h the output of a sub-layer, r its residual, N the norm after the addition (post-norm models only):

    sequential   before: x = h or N(h + r)      block: f(x) + skip      after: N(f + r), f + r or f
    parallel     before: x = r                  block: f(r)             after: the same on f + h

Where a norm stands between the sub-layer and the addition (Ding et al., 2021), adapters come before it: N(f) + r.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from generated.core.configuration import BnConfig
from generated.core.errors import AdapterConfigError
from generated.core.layers.channels import expect_channels
from generated.core.layers.linear import Gate, LayerNorm, Linear, activation, init_bert_weights
from generated.core.layers.phm import PHMLinear
from generated.core.layers.routing import Routing


if TYPE_CHECKING:
    from generated.core.layers.adapter_layer import BottleneckState


Norm = Callable[[Tensor], Tensor]


def add_and_norm(
    hidden_states: Tensor, residual: Tensor | None, norm: Norm | None, inner_norm: Norm | None = None
) -> Tensor:
    """
    What the layer itself does at this place. There is no residual where two branches share one addition; an inner
    norm takes what is added. Where no norm follows, most models write the residual first, whose layout in memory the
    sum then has.
    """
    added = hidden_states if inner_norm is None else inner_norm(hidden_states)
    if residual is None:
        return added if norm is None else norm(added)
    return residual + added if norm is None else norm(added + residual)


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
        self.hidden_size = hidden_size
        down = []
        if config.ln_before:
            self.adapter_norm_before = LayerNorm(hidden_size)
            down.append(self.adapter_norm_before)
        self.adapter_down = nn.Sequential(
            *down, _projection(hidden_size, width, "down", config, shared), activation(config.non_linearity)
        )
        self.adapter_up = _projection(width, hidden_size, "up", config, shared)
        self.scaling = _scaling(config.scaling, hidden_size)
        if config.ln_after:
            self.adapter_norm_after = LayerNorm(hidden_size)
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

        Raises:
            UnsupportedMethodError: the last axis of `x` is not that of its channels.
        """
        expect_channels(x, self.hidden_size, "a bottleneck adapter")
        up = self._scaled(self.adapter_up(self.adapter_down(x)), self.scaling)
        gate = self.gate(x) if self.config.use_gating else None
        if gate is not None:
            up = up * gate
        return self._around(up, skip), up, gate

    @property
    def acts_alone(self) -> bool:
        return not self.config.use_gating

    def can_be_stacked_with(self, other: BottleneckAdapter) -> bool:
        """Do the two differ in nothing but their weights and widths, all of which are plain matrices?"""
        config = self.config.replace(reduction_factor=1, leave_out=[], init_weights_seed=None)
        is_plain = not (config.phm_layer or config.use_gating or config.ln_before or config.ln_after)
        return is_plain and config == other.config.replace(reduction_factor=1, leave_out=[], init_weights_seed=None)

    def routed(self, others: Sequence[BottleneckAdapter], routing: Routing, x: Tensor, skip: Tensor) -> Tensor:
        """
        Output of the block where each row has the weights of one of `others`, which can be stacked with this one.

        Args:
            routing: which of `others` each row goes to.
            x, skip: see `forward`.
        """
        down, up = zip(*((other.adapter_down[0], other.adapter_up) for other in others), strict=True)
        hidden = _routed_linear(down, routing, x)
        output = _routed_linear(up, routing, self.adapter_down[1](hidden))
        scaling = self.scaling
        if isinstance(scaling, Tensor):
            scaling = routing.pick([other.scaling for other in others]).unsqueeze(1)
        return self._around(self._scaled(output, scaling), skip)

    def _scaled(self, up: Tensor, scaling: Tensor | float) -> Tensor:
        """With what training drops. What does nothing is not called: calls count in small models."""
        if self.training:
            up = self.stochastic_depth(up)
        if isinstance(scaling, Tensor) or scaling != 1:
            up = up * scaling
        return self.dropout(up) if self.training else up

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


def _routed_linear(linears: Sequence[Linear], routing: Routing, x: Tensor) -> Tensor:
    weight, bias = (routing.pick([getattr(linear, name) for linear in linears]) for name in ("weight", "bias"))
    return torch.baddbmm(bias.unsqueeze(1), x.to(weight.dtype), weight.transpose(1, 2))


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
