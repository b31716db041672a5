"""What has to be known of a linear map before it can be adapted? Its widths, its parts and its matrix."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class FusedParts:
    """Which parts of a projection's output are adapted, e.g. (True, False, True) for queries and values."""

    adapted: tuple[bool, ...]

    @property
    def count(self) -> int:
        return sum(self.adapted)

    def spread(self, values: Tensor, fill: float) -> Tensor:
        """(..., adapted parts, width) → (..., all parts · width), with `fill` in the parts that are not adapted."""
        if all(self.adapted):
            return values.flatten(-2)
        given = iter(values.unbind(-2))
        blank = torch.full_like(values.select(-2, 0), fill)
        return torch.cat([next(given) if is_adapted else blank for is_adapted in self.adapted], dim=-1)

    def select(self, weight: Tensor) -> Tensor:
        """(all parts · width, in) → (adapted parts, width, in)."""
        blocks = weight.unflatten(0, (len(self.adapted), -1)).unbind()
        return torch.stack([block for block, is_adapted in zip(blocks, self.adapted, strict=True) if is_adapted])


def features(linear: nn.Module) -> tuple[int, int]:
    """Input and output width of anything that works as a linear map: also quantised ones, and Conv1D of GPT-2."""
    if hasattr(linear, "in_features"):
        return linear.in_features, linear.out_features
    return linear.nx, linear.nf


def bias_of(linear: nn.Module) -> Tensor | None:
    """b of y = W x + b. Quantised maps may not even have the attribute."""
    return getattr(linear, "bias", None)


def stores_matrix(linear: nn.Module) -> bool:
    """Is `linear.weight` the matrix itself, and not its quantised, sharded or offloaded form?"""
    weight = getattr(linear, "weight", None)
    if type(weight) is not nn.Parameter or weight.is_meta:
        return False
    is_float = weight.is_floating_point() and weight.element_size() > 1
    return is_float and tuple(weight.shape) == _stored_shape(linear)


def stored_as_matrix(linear: nn.Module, weight: Tensor) -> Tensor:
    """A weight as `linear` stores it, as the matrix (out, in); and a matrix as `linear` stores it."""
    return weight if hasattr(linear, "in_features") else weight.T


def _stored_shape(linear: nn.Module) -> tuple[int, int]:
    in_features, out_features = features(linear)
    return (out_features, in_features) if hasattr(linear, "in_features") else (in_features, out_features)
