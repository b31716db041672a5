"""Which maps hold their matrix in a form that cannot learn, and which matrix do they stand for?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from generated.core.layers.lora.projection import features, is_of_learning_type, knows_its_widths, stores_matrix


def is_quantised(module: nn.Module) -> bool:
    """
    Is it a linear map that has neither its matrix nor, as reparametrised ones do, weights of which that is made?
    Its bias may be one as usual. Weights that are offloaded are what they are when they are brought.
    """
    if not knows_its_widths(module) or stores_matrix(module):
        return False
    own = {name: parameter for name, parameter in module.named_parameters() if name != "bias"}
    return not any(parameter.is_meta or can_learn(parameter) for parameter in own.values())


def can_learn(tensor: Tensor) -> bool:
    """Is it a parameter of numbers that an optimizer can change? Those of quantisers may say so, and be packed."""
    return is_of_learning_type(tensor) and (type(tensor) is nn.Parameter or isinstance(tensor, DTensor))


def asked_matrix(linear: nn.Module, forward: Callable[[Tensor], Tensor], like: Tensor) -> Tensor:
    """W of y = W x + b, (out, in), by what a map makes of unit vectors, on the device and in the type of `like`."""
    with torch.no_grad(), _in_training(linear):
        basis = torch.eye(features(linear)[0], dtype=like.dtype, device=like.device)
        return (forward(basis) - forward(torch.zeros_like(basis[:1]))).T


@contextmanager
def _in_training(linear: nn.Module) -> Iterator[None]:
    """Some pack their weights for good, in a form that ends gradients, when they are called in eval mode."""
    mode, linear.training = linear.training, True
    try:
        yield
    finally:
        linear.training = mode
