"""What has to be known of a linear map before it can be adapted? Its widths, its parts and its matrix."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class FusedParts:
    """
    Which parts of a projection's output are adapted, e.g. (True, False, True) for queries and values.

    Args:
        adapted: for each part.
        shares: how wide the parts are, relative to each other; () for parts of equal width.
        groups: into how many groups the channels fall, each of which has all parts: heads, where the parts of one
            head follow each other.

    Values of adapted parts are computed side by side, so that narrower ones end with channels that nothing uses.
    """

    adapted: tuple[bool, ...]
    shares: tuple[int, ...] = ()
    groups: int = 1

    @property
    def count(self) -> int:
        return sum(self.adapted)

    def rows(self, out_features: int) -> int:
        """Channels of all adapted parts together."""
        return sum(self._widths(out_features // sum(self._shares)))

    def width(self, out_features: int) -> int:
        """Channels of the widest adapted part."""
        return max(self._widths(out_features // sum(self._shares)))

    def apart(self, values: Tensor, dim: int = 0) -> Tensor:
        """(..., rows, ...) → (..., adapted parts, width, ...)."""
        if not self.shares:
            return values.unflatten(dim, (self.count, -1))
        widths = self._widths(values.shape[dim] // sum(self._widths(1)))
        return torch.stack([_padded(part, dim, max(widths)) for part in values.split(widths, dim)], dim)

    def together(self, values: Tensor, rows: int) -> Tensor:
        """(adapted parts, width, ...) → (rows, ...): what `apart` took apart."""
        widths = self._widths(rows // sum(self._widths(1)))
        return torch.cat([part[:width] for part, width in zip(values, widths, strict=True)])

    @property
    def are_side_by_side(self) -> bool:
        """Does each part have channels of its own in one piece, as many as the others?"""
        return not self.shares and self.groups == 1

    def with_products(self, output: Tensor, reduced: Tensor, b: Tensor, scaling: float = 1.0) -> Tensor:
        """
        The output, with products that are added to parts which are side by side.

        Args:
            output: (..., out). Without gradients, it is changed in its place.
            reduced: (rows, adapted parts · r), for all rows of the output; (batch, length, adapted parts · r), where
                each row of a batch has its own products.
            b: (adapted parts · width, r), or (batch, adapted parts · width, r).
        """
        add, add_in_place = _ADDITIONS[reduced.dim()]
        rows = output.reshape(*reduced.shape[:-2], -1, output.shape[-1])
        if torch.is_grad_enabled() or not output.is_contiguous():
            return add(rows, reduced, self._in_blocks(b).mT, alpha=scaling).view(output.shape)
        if len(self.adapted) == 1:
            add_in_place(rows, reduced, b.mT, alpha=scaling)
            return output
        pairs = zip(reduced.chunk(self.count, dim=-1), b.chunk(self.count, dim=-2), strict=True)
        for part, (own, factor) in zip(self._adapted_of(rows), pairs, strict=True):
            add_in_place(part, own, factor.mT, alpha=scaling)
        return output

    def with_factors(self, output: Tensor, factors: Tensor) -> Tensor:
        """
        The output, (..., out), with parts which are side by side times their factors, (adapted parts · width,).
        Without gradients, it is changed in its place.
        """
        if torch.is_grad_enabled():
            return output * self._side_by_side(factors, fill=1.0)
        if len(self.adapted) == 1:
            return output.mul_(factors)
        for part, own in zip(self._adapted_of(output), factors.chunk(self.count), strict=True):
            part.mul_(own)
        return output

    def _adapted_of(self, output: Tensor) -> list[Tensor]:
        """Views of the adapted parts of (..., out), which are side by side."""
        parts = output.chunk(len(self.adapted), dim=-1)
        return [part for part, is_adapted in zip(parts, self.adapted, strict=True) if is_adapted]

    def _in_blocks(self, b: Tensor) -> Tensor:
        """
        (..., adapted parts · width, r) → (..., out, adapted parts · r): each part reads what is its own. That is one
        product over all of an output; to take it apart and to join it again takes longer.
        """
        if len(self.adapted) == 1:
            return b
        r, blocks = b.shape[-1], b.chunk(self.count, dim=-2)
        placed = (F.pad(block, (r * number, r * (self.count - 1 - number))) for number, block in enumerate(blocks))
        nothing = b.new_zeros(*b.shape[:-2], blocks[0].shape[-2], r * self.count)
        return torch.cat([next(placed) if is_adapted else nothing for is_adapted in self.adapted], dim=-2)

    def spread(self, values: Tensor, fill: float) -> Tensor:
        """(..., adapted parts, width) → (..., out), with `fill` in the parts that are not adapted."""
        if self.are_side_by_side:
            return self._side_by_side(values.flatten(-2), fill)
        unit = values.shape[-1] // max(self._widths(1))
        given = iter(values.unbind(-2))
        blank = torch.full_like(values.select(-2, 0)[..., :1], fill)
        parts = [
            next(given)[..., : unit * share] if is_adapted else blank.expand(*blank.shape[:-1], unit * share)
            for is_adapted, share in zip(self.adapted, self._shares, strict=True)
        ]
        return torch.cat([part.unflatten(-1, (self.groups, -1)) for part in parts], dim=-1).flatten(-2)

    def _side_by_side(self, values: Tensor, fill: float) -> Tensor:
        """(..., adapted parts · width) → (..., out): the same for parts which are side by side."""
        if all(self.adapted):
            return values
        width, runs = values.shape[-1] // self.count, [(one, len([*run])) for one, run in groupby(self.adapted)]
        given = iter(values.split([width * length for is_adapted, length in runs if is_adapted], dim=-1))
        blank = torch.full_like(values[..., :1], fill)
        parts = (next(given) if is_adapted else blank.expand(*values.shape[:-1], width * n) for is_adapted, n in runs)
        return torch.cat([*parts], dim=-1)

    def select(self, weight: Tensor) -> Tensor:
        """(out, in) → (adapted parts, width, in)."""
        unit = weight.shape[0] // self.groups // sum(self._shares)
        blocks = weight.unflatten(0, (self.groups, -1)).split([unit * share for share in self._shares], dim=1)
        chosen = [block.flatten(0, 1) for block, is_adapted in zip(blocks, self.adapted, strict=True) if is_adapted]
        return torch.stack([_padded(block, 0, self.width(weight.shape[0])) for block in chosen])

    @property
    def _shares(self) -> tuple[int, ...]:
        return self.shares or (1,) * len(self.adapted)

    def _widths(self, unit: int) -> list[int]:
        """Of the adapted parts."""
        return [unit * share for share, is_adapted in zip(self._shares, self.adapted, strict=True) if is_adapted]


# Of so many dimensions: a new tensor with a product added, or the same one.
_ADDITIONS = {2: (torch.addmm, Tensor.addmm_), 3: (torch.baddbmm, Tensor.baddbmm_)}


def _padded(values: Tensor, dim: int, size: int) -> Tensor:
    missing = size - values.shape[dim]
    if not missing:
        return values
    shape = list(values.shape)
    shape[dim] = missing
    return torch.cat([values, values.new_zeros(shape)], dim)


def features(linear: nn.Module) -> tuple[int, int]:
    """Input and output width of anything that works as a linear map: also quantised ones, and Conv1D of GPT-2."""
    if hasattr(linear, "in_features"):
        return linear.in_features, linear.out_features
    return linear.nx, linear.nf


def bias_of(linear: nn.Module) -> Tensor | None:
    """b of y = W x + b. Quantised maps may not even have the attribute, or make it by a method."""
    bias = getattr(linear, "bias", None)
    return bias() if callable(bias) else bias


def knows_its_widths(module: nn.Module) -> bool:
    """Is it called as linear maps are, whatever its class?"""
    return hasattr(module, "in_features") and hasattr(module, "out_features")


def is_of_learning_type(weight: Tensor) -> bool:
    """Is it of a type that gradients have, rather than an integer or a float of eight bits?"""
    return weight.is_floating_point() and weight.element_size() > 1


def stores_matrix(linear: nn.Module) -> bool:
    """Is `linear.weight` the matrix itself, and not its quantised, sharded or offloaded form?"""
    weight = getattr(linear, "weight", None)
    if type(weight) is not nn.Parameter or weight.is_meta:
        return False
    return is_of_learning_type(weight) and tuple(weight.shape) == _stored_shape(linear)


def stored_as_matrix(linear: nn.Module, weight: Tensor) -> Tensor:
    """A weight as `linear` stores it, as the matrix (out, in); and a matrix as `linear` stores it."""
    return weight if hasattr(linear, "in_features") else weight.T


def _stored_shape(linear: nn.Module) -> tuple[int, int]:
    in_features, out_features = features(linear)
    return (out_features, in_features) if hasattr(linear, "in_features") else (in_features, out_features)
