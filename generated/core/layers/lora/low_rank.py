"""LoRA itself, and its form for several tasks: A and B are parameters.

    LoRA        lora_A: (parts · r, in)    lora_B: (parts · width, r)
    MTL-LoRA    lora_A: (parts · r, in)    lora_B: (n, parts · width, r)    weights: (parts · n,)
                task_specific.values: (parts · r,), or (parts · r, r)

Hu et al., 2022 (https://arxiv.org/abs/2106.09685); Yang et al., 2025 (https://arxiv.org/abs/2410.09437).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from generated.core.configuration import LoRAConfig, MTLLoRAConfig
from generated.core.layers.lora.change import LowRankChange, initialize_factors
from generated.core.layers.lora.projection import FusedParts


class LowRank(LowRankChange):
    """A and B of LoRA."""

    def __init__(self, in_features: int, out_features: int, parts: FusedParts, config: LoRAConfig) -> None:
        super().__init__(in_features, out_features, parts, config)
        self.lora_A = nn.Parameter(torch.empty(parts.count * config.r, in_features))
        self.lora_B = nn.Parameter(torch.empty(self.rows, config.r))
        initialize_factors(self.lora_A, self.lora_B, config.init_weights)

    def factors(self) -> tuple[Tensor, Tensor]:
        return self.lora_A.unflatten(0, (self.parts.count, self.r)), self.parts.apart(self.lora_B)

    def matrices(self) -> tuple[Tensor, Tensor]:
        own = self._parameters  # sooner found so than as attributes, unless somebody parametrizes or prunes them
        if "lora_A" in own and "lora_B" in own:
            return own["lora_A"], own["lora_B"]
        return self.lora_A, self.lora_B


class MultiTaskLowRank(LowRankChange):
    """One task's view of A and n matrices B, which it may share with other tasks: Σᵢ softmax(w / τ)ᵢ Bᵢ Λ A."""

    def __init__(self, in_features: int, out_features: int, parts: FusedParts, config: MTLLoRAConfig) -> None:
        super().__init__(in_features, out_features, parts, config)
        count = config.n_up_projection
        self.lora_A = nn.Parameter(torch.empty(parts.count * config.r, in_features))
        self.lora_B = nn.Parameter(torch.empty(count, self.rows, config.r))
        initialize_factors(self.lora_A, self.lora_B.detach().flatten(0, 1), config.init_weights)
        self.task_specific = TaskMatrix(config.r, parts, is_diagonal=config.task_specific_matrix_type != "linear")
        self.weights = nn.Parameter(torch.ones(parts.count * count))
        self.weights_sharpness = config.weights_sharpness

    def factors(self) -> tuple[Tensor, Tensor]:
        parts = self.parts.count
        weights = (self.weights.unflatten(0, (parts, -1)) / self.weights_sharpness).softmax(dim=-1)
        b = torch.einsum("pn,npor->por", weights, self.parts.apart(self.lora_B, dim=1))
        return self.task_specific(self.lora_A.unflatten(0, (parts, self.r))), b


class TaskMatrix(nn.Module):
    """Λ of each part, (r, r) or its diagonal. It starts as the identity."""

    def __init__(self, r: int, parts: FusedParts, *, is_diagonal: bool) -> None:
        super().__init__()
        self.parts = parts
        self.values = nn.Parameter(torch.ones(parts.count * r) if is_diagonal else torch.eye(r).repeat(parts.count, 1))

    def forward(self, a: Tensor) -> Tensor:
        """Λ A: (parts, r, in) → the same shape."""
        values = self.values.unflatten(0, (self.parts.count, -1))
        return values.unsqueeze(-1) * a if values.dim() == 2 else values @ a
