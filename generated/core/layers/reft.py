"""ReFT: a low-rank change of the output of a layer, at some positions (Wu et al., 2024).

LoReFT    h + Rᵀ (W h + b - R h), the rows of R orthonormal
NoReFT    the same with any R
DiReFT    h + Rᵀ (W h + b) with any R

https://arxiv.org/abs/2404.03592
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from generated.core.composition import Average, BatchSplit, Parallel, Route, Stack
from generated.core.configuration import ReftConfig
from generated.core.errors import AdapterConfigError, UnsupportedMethodError
from generated.core.layers import states
from generated.core.layers.channels import expect_channels
from generated.core.layers.linear import Linear, activation
from generated.core.layers.positions import Positions, SequenceOfStack
from generated.core.layers.slot import AdapterModules, AdapterSlot


class FreeProjection(nn.Module):
    """Any matrix, (rank, size)."""

    def __init__(self, rank: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rank, size))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def forward(self) -> Tensor:
        return self.weight


class OrthogonalProjection(nn.Module):
    """
    A matrix with orthonormal rows, (rank, size).

    Weights have the names that `torch.nn.utils.parametrizations.orthogonal` gives, whose modules cannot be pickled.
    """

    def __init__(self, rank: int, size: int) -> None:
        super().__init__()
        self.parametrizations = nn.Module()
        self.parametrizations.weight = OrthogonalRows(rank, size)

    def forward(self) -> Tensor:
        return self.parametrizations.weight()


class OrthogonalRows(nn.Module):
    """Orthonormal rows: a product of `rank` reflections that starts as the identity, turned by a fixed rotation."""

    def __init__(self, rank: int, size: int) -> None:
        super().__init__()
        self.original = nn.Parameter(-torch.eye(rank, size))
        self.add_module("0", Rotation(rank, size))

    def forward(self) -> Tensor:
        columns = self.original.float().mT
        reflectors = columns.tril(diagonal=-1)
        scale = 2 / (1 + reflectors.square().sum(dim=0))
        signs = columns.diagonal().detach().sign()  # weight decay moves the diagonal, which is a sign and no weight
        product = torch.linalg.householder_product(reflectors, scale) * signs
        return self.get_submodule("0")(product).mT.to(self.original.dtype)

    def become(self, rows: Tensor) -> None:
        """Take the orthonormal rows that are nearest to these, (rank, size)."""
        left, _, right = torch.linalg.svd(rows.float(), full_matrices=False)
        nearest = left @ right
        rotation = torch.linalg.qr(nearest.mT, mode="complete").Q
        rotation[:, : len(nearest)] = nearest.mT
        with torch.no_grad():
            self.original.copy_(-torch.eye(*rows.shape))
            self.get_submodule("0").base.copy_(rotation)


class Rotation(nn.Module):
    """A fixed random orthogonal matrix, (size, size); its first `rank` columns have no preferred direction."""

    def __init__(self, rank: int, size: int) -> None:
        super().__init__()
        self.register_buffer("base", torch.linalg.qr(torch.randn(size, rank), mode="complete").Q.contiguous())

    def forward(self, columns: Tensor) -> Tensor:
        return self.base.to(columns.dtype) @ columns


class ReftUnit(nn.Module):
    """The change of the states at one end of a sequence."""

    def __init__(self, size: int, config: ReftConfig) -> None:
        super().__init__()
        self.subtracts = config.subtract_projection
        self.learned_source = Linear(size, config.r)
        self.projection = (OrthogonalProjection if config.orthogonality else FreeProjection)(config.r, size)
        self.non_linearity = activation(config.non_linearity)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: Tensor) -> Tensor:
        """(..., size) → (..., size)"""
        projection = self.projection()
        source = self.non_linearity(self.learned_source(states))
        if self.subtracts:
            source = source - F.linear(states.to(projection.dtype), projection)
        return self.dropout(states + source @ projection)


class ReftModule(nn.Module):
    """The change that one adapter makes to the output of one layer."""

    def __init__(self, size: int, config: ReftConfig) -> None:
        super().__init__()
        if config.orthogonality and config.r > size:
            raise AdapterConfigError(f"there are no {config.r} orthogonal rows of length {size}; take a smaller r")
        self.size = size
        self.prefix_positions, self.suffix_positions = config.prefix_positions, config.suffix_positions
        self.units = nn.ModuleList(ReftUnit(size, config) for _ in range(1 if config.tied_weights else 2))

    def forward(self, hidden_states: Tensor, positions: Positions) -> Tensor:
        """
        Args:
            hidden_states: (batch, length, size). Where both ends meet, the change of the suffix counts.

        Raises:
            UnsupportedMethodError: the last axis is not that of the channels.
        """
        expect_channels(hidden_states, self.size, "a ReFT adapter")
        ends = (
            (self.units[0], positions.from_start, self.prefix_positions),
            (self.units[-1], positions.from_end, self.suffix_positions),
        )
        output = hidden_states
        for unit, position, count in ends:
            output = _change(unit, hidden_states, output, (position > 0) & (position <= count), count)
        return output


class ReftState(NamedTuple):
    """What a composition of ReFT adapters works on: the output of a layer, and where its positions are."""

    hidden_states: Tensor
    positions: Positions

    def narrow(self, dim: int, start: int, length: int) -> ReftState:
        positions = Positions(*(states.narrow(tensor, dim, start, length) for tensor in self.positions))
        return ReftState(states.narrow(self.hidden_states, dim, start, length), positions)

    size = states.size_of_hidden
    join = states.join_hidden
    mean = states.mean_of_hidden
    choose = states.choose_hidden


class ReftLayer(AdapterSlot, nn.Module):
    """
    The ReFT adapters of one layer of the model, which acts through a hook on that layer.

    Args:
        sequence: which part of a call the layer works on.
        is_grid: states with two dimensions of positions are those of a picture, not several of each word.
        handle: that of the hook. Read from a pickle, it keeps hooks to come from taking the number of this one.
    """

    handle: RemovableHandle | None = None
    supported_blocks = (Stack, BatchSplit, Parallel, Average, Route)
    always_reads_inputs = True
    kind = "ReFT"

    def __init__(self, sequence: SequenceOfStack, *, is_grid: bool = True) -> None:
        super().__init__()
        self.sequence = sequence
        self.is_grid = is_grid
        self.refts = AdapterModules()

    @property
    def container(self) -> AdapterModules:
        return self.refts

    def forward(self, hidden_states: Tensor) -> Tensor:
        """
        (batch, length, size) → the same, changed at some positions; those of pictures may be (batch, rows, columns).

        Raises:
            UnsupportedMethodError: each word has several states, or the layer gives several.
        """
        if self.active is None:
            return hidden_states
        if not isinstance(hidden_states, Tensor):
            raise UnsupportedMethodError("a layer gives states of several kinds, of which ReFT knows one")
        if hidden_states.dim() > 3:
            if not self.is_grid:
                raise UnsupportedMethodError("each position of a layer has several states, of which ReFT knows one")
            return self(hidden_states.flatten(1, -2)).view_as(hidden_states)
        positions = self.sequence.positions(self.inputs.call, hidden_states.shape[1], hidden_states.device)
        return self.active.run(self, ReftState(hidden_states, positions)).hidden_states

    def run_adapter(self, name: str, state: ReftState) -> ReftState:
        return state._replace(hidden_states=self.refts[name](*state))

    def adapt_output(self, module: nn.Module, args: tuple, output: Any) -> Any:
        """A forward hook: the hidden states are the output, or its first item."""
        if isinstance(output, tuple):
            return (self(output[0]), *output[1:])
        if isinstance(output, list):
            return [self(output[0]), *output[1:]]
        return self(output)


def _change(unit: ReftUnit, source: Tensor, target: Tensor, chosen: Tensor, count: int) -> Tensor:
    """
    `target` with the changed states of `source` at the positions that are `chosen`. Where there are none, the unit
    gets nothing, and its weights get gradients of zero: some trainers want a gradient for every weight.

    Args:
        source, target: (batch, length, size).
        chosen: (batch or 1, length), in no row more than `count`.
    """
    batch, length, size = source.shape
    chosen = chosen.expand(batch, -1)
    indices = chosen.int().topk(min(count, length), dim=1).indices
    is_chosen, indices = chosen.gather(1, indices)[..., None], indices[..., None].expand(-1, -1, size)
    changed = unit(source.gather(1, indices)).to(target.dtype)
    return target.scatter(1, indices, torch.where(is_chosen, changed, target.gather(1, indices)))
