"""VeRA: A and B are random and shared by all projections; what is learned are diagonal matrices around B.

    s Λb B Λd A x        Λd: (r, r)    Λb: (width, width)

For each part of a fused map there is a Λd and a Λb of its own; all use the same A and B.

Kopiczko et al., 2024 (https://arxiv.org/abs/2310.11454).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from generated.core.configuration import LoRAConfig
from generated.core.layers.lora.change import LowRankChange, initialize_factors
from generated.core.layers.lora.projection import FusedParts
from generated.core.layers.slot import Borrowed


class SharedVera(nn.Module):
    """A, (r, widest input), and B, (widest output, r), of one adapter. They are never trained."""

    def __init__(self, in_features: int, width: int, config: LoRAConfig) -> None:
        super().__init__()
        self.register_buffer("lora_A", torch.empty(config.r, in_features))
        self.register_buffer("lora_B", torch.empty(width, config.r))
        scheme = "vera" if config.init_weights == "lora" else config.init_weights  # a B of zeros could never learn
        initialize_factors(self.lora_A, self.lora_B, scheme)

    def forward(self, in_features: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """What a projection of these widths uses of A and B; called, so that hooks which bring weights find them."""
        return self.lora_A[:, :in_features].to(device), self.lora_B[:width].to(device)


class Vera(LowRankChange):
    """
    Λd and Λb of one projection.

    They are kept as vectors, (parts · r,) and (parts · width,); with `vera_full` as matrices, (parts · r, r) and
    (parts · width, width), whose other values are learned, too. That is what AdapterHub does.
    """

    def __init__(
        self, in_features: int, out_features: int, parts: FusedParts, config: LoRAConfig, shared: SharedVera
    ) -> None:
        super().__init__(in_features, out_features, parts, config)
        self.shared = Borrowed(shared)
        self.vera_D = nn.Parameter(_diagonal(config.vera_d, self.r, parts.count, full=config.vera_full))
        self.vera_B = nn.Parameter(_diagonal(config.vera_b, self.width, parts.count, full=config.vera_full))

    def factors(self) -> tuple[Tensor, Tensor]:
        a, b = self.shared.module(self.in_features, self.width, self.vera_D.device)
        return self._scaled(self.vera_D, a), self._scaled(self.vera_B, b)

    def _scaled(self, scale: Tensor, matrix: Tensor) -> Tensor:
        """Λ M for the Λ of each part, (parts, rows, columns)."""
        scale, matrix = scale.unflatten(0, (self.parts.count, -1)), matrix.to(scale.dtype)
        return scale.unsqueeze(-1) * matrix if scale.dim() == 2 else scale @ matrix


def _diagonal(value: float, size: int, parts: int, *, full: bool) -> Tensor:
    return torch.eye(size).mul(value).repeat(parts, 1) if full else torch.full((parts * size,), value)
