"""How does each row of a batch get weights of its own? Those of all adapters are stacked, and each row picks its own.

Whatever the routing, the same operations run on the same shapes: a compiled model needs one graph for all routings.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def pick(tensors: Sequence[Tensor], rows: Tensor) -> Tensor:
    """
    For each row the tensor that it is to use, (batch, …); where sizes differ, filled up with zeros at the end.

    Args:
        tensors: one for each adapter, with the same number of dimensions.
        rows: (batch,), positions in `tensors`; a negative one picks the first.
    """
    shape = [max(sizes) for sizes in zip(*(tensor.shape for tensor in tensors), strict=True)]
    stacked = torch.stack([_filled_up(tensor, shape) for tensor in tensors])
    return stacked[rows.to(stacked.device).clamp(min=0)]


def where_routed(rows: Tensor, routed: Tensor, otherwise: Tensor) -> Tensor:
    """Rows that go to an adapter, and the others, both (batch, …)."""
    return torch.where(rows.to(routed.device).view(-1, *(1,) * (routed.dim() - 1)) >= 0, routed, otherwise)


def _filled_up(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    missing = [wanted - size for size, wanted in zip(tensor.shape, shape, strict=True)]
    if not any(missing):
        return tensor
    return F.pad(tensor, [amount for size in reversed(missing) for amount in (0, size)])
