"""Which tensors have another form in files than in the model?

VeRA learns two vectors for each projection. AdapterHub stores (and learns) matrices, of which they are the diagonals.
"""

from __future__ import annotations

import torch
from torch import Tensor


def is_vera_scale(key: str) -> bool:
    return key.endswith((".vera_D", ".vera_B"))


def is_diagonal(tensor: Tensor) -> bool:
    """Is it a vector, or a square matrix that holds no more than one?"""
    if tensor.dim() < 2:
        return True
    return tensor.shape[0] == tensor.shape[1] and torch.equal(tensor, tensor.diagonal().diag())


def to_file(key: str, tensor: Tensor) -> Tensor:
    """A tensor of the model as files hold it."""
    return tensor.diag() if is_vera_scale(key) and tensor.dim() == 1 else tensor


def from_file(key: str, stored: Tensor, own: Tensor) -> Tensor:
    """A tensor of a file in the form that `own`, its counterpart in the model, has."""
    if is_vera_scale(key) and own.dim() == 1 and stored.dim() == 2:
        return stored.diagonal()
    return stored
