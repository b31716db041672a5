"""AdapterFusion: what one layer mixes (Pfeiffer et al., 2021, https://arxiv.org/abs/2005.00247).

    α = softmax(Q q · K u / T)        mixture = Σᵢ αᵢ V uᵢ + residual

with q the hidden state and uᵢ what adapter i adds to it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from generated.core.configuration import AdapterFusionConfig
from generated.core.layers.linear import Linear, init_bert_weights


WARM, COOLING = 50.0, 0.05


class FusionModules(nn.ModuleDict):
    """The fusions of one place, by name."""


class BertFusion(nn.Module):
    """
    The mixture of one place.

    Args:
        size: width of the layer.
        dropout: on the scores.
    """

    def __init__(self, size: int, dropout: float, config: AdapterFusionConfig) -> None:
        super().__init__()
        self.config = config
        self.dropout = nn.Dropout(dropout)
        self.query = Linear(size, size) if config.query else None
        self.key = Linear(size, size) if config.key else None
        self.value = Linear(size, size, bias=False) if config.value else None
        if config.temperature:
            self.register_buffer("T", torch.tensor(WARM), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.apply(init_bert_weights)
        if self.value is not None and self.config.value_initialized:
            nn.init.constant_(self.value.weight, 1e-6)
            self.value.weight.data.fill_diagonal_(1.0)

    def forward(self, query: Tensor, up: Tensor, residual: Tensor | None) -> tuple[Tensor, Tensor]:
        """
        Args:
            query: (batch, length, hidden).
            up: what each adapter adds, (batch, length, adapters, hidden).
            residual: as query; `None` for parallel adapters, whose layer adds it.

        Returns:
            The mixture with the residual, as query; the weights, (batch, length, adapters).
        """
        given, own = query.dtype, next(self.parameters(), query).dtype
        residual = None if residual is None else residual.to(own)
        mixture, attention = self._mixture(query.to(own), up.to(own), residual)
        return mixture.to(given), attention

    def _mixture(self, query: Tensor, up: Tensor, residual: Tensor | None) -> tuple[Tensor, Tensor]:
        adds_to_values = residual is not None and self.config.residual_before
        values = up + residual.unsqueeze(-2) if adds_to_values else up
        values = self._valued(values) if self.config.value_before_softmax else values
        query = query if self.query is None else self.query(query)
        keys = up if self.key is None else self.key(up)
        attention = self._weights((keys @ query.unsqueeze(-1)).squeeze(-1))
        mixture = (attention.unsqueeze(-2) @ values).squeeze(-2)
        mixture = mixture if self.config.value_before_softmax else self._valued(mixture)
        return (mixture if residual is None or adds_to_values else mixture + residual), attention

    def regularization_loss(self) -> Tensor | None:
        """0.01 Σ (I − V)², if the value map is to stay near the identity."""
        if self.value is None or not self.config.regularization:
            return None
        weight = self.value.weight
        return 0.01 * (torch.eye(len(weight), dtype=weight.dtype, device=weight.device) - weight).square().sum()

    def _valued(self, states: Tensor) -> Tensor:
        return states if self.value is None else self.value(states)

    def _weights(self, scores: Tensor) -> Tensor:
        scores = self.dropout(scores)
        if not self.config.temperature:
            return scores.softmax(dim=-1)
        weights = (scores / self.T).softmax(dim=-1)
        if self.training:
            self.T.sub_(COOLING).clamp_(min=1.0)
        return weights
