"""The weights of prefixes: all layers of a location share one module, from which each takes its own keys and values.

Weights are read where their module is called, so that hooks which bring them from elsewhere (accelerate's) find them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor, nn

from generated.core.configuration import PrefixTuningConfig
from generated.core.layers.linear import Linear, activation
from generated.core.layers.slot import AdapterModules


class PrefixShape(NamedTuple):
    """Sizes of the keys and values of one layer."""

    heads: int
    key_dim: int
    value_dim: int

    @property
    def numbers(self) -> tuple[int, int]:
        """Of keys, and of values, for one position."""
        return self.heads * self.key_dim, self.heads * self.value_dim


def own_slices(shapes: Sequence[PrefixShape]) -> tuple[slice, ...]:
    """The numbers of each layer among those of all layers."""
    ends = [0, *accumulate(sum(shape.numbers) for shape in shapes)]
    return tuple(map(slice, ends, ends[1:]))


def total(shapes: Sequence[PrefixShape]) -> int:
    """Numbers per position, of all layers."""
    return sum(sum(shape.numbers) for shape in shapes)


class PrefixTuning(nn.Module):
    """Prefixes that a small network makes from one embedding per position; `shapes` has one entry per layer."""

    def __init__(self, shapes: tuple[PrefixShape, ...], hidden_size: int, config: PrefixTuningConfig) -> None:
        super().__init__()
        self.shapes, self.slices = shapes, own_slices(shapes)
        self.prefix_length = config.prefix_length
        self.wte = nn.Embedding(config.prefix_length, hidden_size)
        self.control_trans = nn.Sequential(
            Linear(hidden_size, config.bottleneck_size),
            activation(config.non_linearity),
            Linear(config.bottleneck_size, total(shapes)),
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, index: int, device: torch.device) -> Tensor:
        """
        Keys and values of the layer at `index`, (prefix length, numbers of keys and values).

        Args:
            device: where to make them when the weights are offloaded.
        """
        reduce, non_linearity, expand = self.control_trans
        weights_at = self.wte.weight.device
        positions = torch.arange(self.prefix_length, device=device if weights_at.type == "meta" else weights_at)
        return expand(non_linearity(reduce(self.wte(positions))), self.slices[index])

    def flatten(self) -> FlatPrefixTuning:
        """The same prefixes without the network that makes them."""
        flat = FlatPrefixTuning(self.shapes, self.prefix_length, self.dropout.p)
        rows = self.control_trans(self.wte.weight).detach()
        flat.control_trans = nn.Parameter(rows.flatten(), requires_grad=self.wte.weight.requires_grad)
        return flat.train(self.training)


class FlatPrefixTuning(nn.Module):
    """Prefixes that are parameters themselves; `shapes` has one entry per layer."""

    def __init__(self, shapes: tuple[PrefixShape, ...], prefix_length: int, dropout: float) -> None:
        super().__init__()
        self.shapes, self.slices = shapes, own_slices(shapes)
        self.prefix_length = prefix_length
        self.control_trans = nn.Parameter(torch.randn(prefix_length * total(shapes)))
        self.dropout = nn.Dropout(dropout)

    def forward(self, index: int, device: torch.device) -> Tensor:
        """Keys and values of the layer at `index`, (prefix length, numbers of keys and values)."""
        return self.control_trans.view(self.prefix_length, -1)[:, self.slices[index]]


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
        """Keys and values, (batch, heads, prefix length, width), for keys `like` these."""
        rows = self._made(like).expand(like.shape[0], -1, -1)
        return self._divided(self.source.dropout(rows) if self.source.training else rows)

    def rows(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """The same for one example and without dropout, (heads, prefix length, width)."""
        return self._divided(self._made(like))

    def _made(self, like: Tensor) -> Tensor:
        return self.source(self.index, like.device).to(dtype=like.dtype, device=like.device)

    def _divided(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        shape = self.source.shapes[self.index]
        if shape.key_dim == shape.value_dim:
            keys, values = rows.view(*rows.shape[:-1], 2, shape.heads, -1).transpose(-4, -2).unbind(-3)
            return keys, values
        keys, values = rows.split(shape.numbers, dim=-1)
        return _by_head(keys, shape.heads), _by_head(values, shape.heads)


def _by_head(rows: Tensor, heads: int) -> Tensor:
    """(..., length, heads · width) → (..., heads, length, width)."""
    return rows.view(*rows.shape[:-1], heads, -1).transpose(-3, -2)
