"""(IA)³: y = (s b) ∘ (W x), or y = W (a ∘ x). Liu et al., 2022 (https://arxiv.org/abs/2205.05638)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from generated.core.configuration import LoRAConfig
from generated.core.errors import AdapterConfigError
from generated.core.layers.lora.change import build_gate, initialize_alike
from generated.core.layers.lora.projection import FusedParts
from generated.core.layers.routing import Routing


class Rescaling(nn.Module):
    """b of (IA)³: one factor for each output channel of the adapted parts."""

    neutral = 1.0
    reads_weight = False

    def __init__(self, in_features: int, out_features: int, parts: FusedParts, config: LoRAConfig) -> None:
        super().__init__()
        if config.r != 1 or config.dropout:
            raise AdapterConfigError(
                f"composition_mode='scale' needs r=1 and no dropout, not r={config.r} and dropout={config.dropout}"
            )
        self.parts = parts
        self.scaling = config.alpha
        self.lora_B = nn.Parameter(torch.empty(parts.rows(out_features), 1))
        self.gate = build_gate(in_features, parts, config)
        if config.init_weights == "lora":
            nn.init.zeros_(self.lora_B)
        else:
            initialize_alike(self.lora_B, config.init_weights)

    @property
    def acts_alone(self) -> bool:
        return self.gate is None and self.parts.are_side_by_side

    def forward(
        self,
        layer_input: Tensor,
        *,
        change: Tensor | None = None,
        gate: Tensor | None = None,
        onto: Tensor | None = None,
    ) -> Tensor:
        """
        The factors, (..., 1 or length, out), times `change`, those of the adapter before this one.

        Args:
            gate: takes the place of the scaling, (..., 1, parts).
            onto: the projection's output. The result is that with the factors, instead of the factors; without
                gradients, it may be the same tensor.
        """
        if onto is not None:
            return self.parts.with_factors(onto, self._scaled(onto.dtype))
        factors = self._factors(self.scaling if gate is None else gate.unsqueeze(-1))
        return factors if change is None else change * factors

    def can_be_stacked_with(self, other: nn.Module) -> bool:
        """Do the two differ in nothing but their factors?"""
        return isinstance(other, Rescaling) and self.gate is None and other.gate is None

    def routed(
        self, others: Sequence[Rescaling], routing: Routing, layer_input: Tensor, change: Tensor | None
    ) -> Tensor:
        """The factors of one of `others` for each row, (batch, ..., out); see `LowRankChange.routed`."""
        factors = routing.pick([other._factors(other.scaling) for other in others])
        factors = factors.view(-1, *(1,) * (layer_input.dim() - 2), factors.shape[-1])
        return factors if change is None else change * factors

    def apply_to(self, output: Tensor, change: Tensor) -> Tensor:
        return output * change.to(output.dtype)

    def folded(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The weight, (out, in), and the bias of a map that gives the adapted output by itself."""
        factors = self._factors(self.scaling)
        return weight * factors.unsqueeze(-1), None if bias is None else bias * factors

    def _scaled(self, dtype: torch.dtype) -> Tensor:
        """The factors of all adapted parts, (parts · width,)."""
        factors = self.lora_B.view(-1).to(dtype)
        return factors if self.scaling == 1 else factors * self.scaling

    def _factors(self, scaling: Tensor | float) -> Tensor:
        return self.parts.spread(self.parts.apart(self.lora_B).squeeze(-1) * scaling, fill=1.0)


class InputRescaling(nn.Module):
    """a of (IA)³: one factor for each input channel. Other factors come before an activation, these after it."""

    neutral = 0.0
    gate = None

    def __init__(self, in_features: int, config: LoRAConfig) -> None:
        super().__init__()
        if config.use_gating or config.alpha != 1:
            raise AdapterConfigError("scaled_inputs needs alpha=1 and no gates")
        self.lora_A = nn.Parameter(torch.ones(1, in_features))

    def forward(self, layer_input: Tensor) -> Tensor:
        """By how much the input changes; the change of the output is what the map makes of it."""
        return layer_input * (self.lora_A[0] - 1).to(layer_input.dtype)

    def can_be_stacked_with(self, other: nn.Module) -> bool:
        return False

    def apply_to(self, output: Tensor, change: Tensor) -> Tensor:
        return output + change.to(output.dtype)

    def folded(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The weight, (out, in), and the bias of a map that gives the adapted output by itself."""
        return weight * self.lora_A, bias
