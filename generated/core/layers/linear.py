"""The dense pieces that adapters are made of.

`Linear` is not an `nn.Linear`: tools that quantise or wrap "all linear layers" of a model must not find adapters.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.activations import get_activation

from generated.core.errors import AdapterConfigError


class Linear(nn.Module):
    """`x Wᵀ + b` over the last dimension, with the names and the default initialisation of `nn.Linear`."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.bias = nn.Parameter(torch.empty(out_features)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight.shape[1])
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor, rows: slice | None = None) -> Tensor:
        """(..., in) → (..., out), or only these of the out channels."""
        weight, bias = self.weight, self.bias
        if rows is not None:
            weight, bias = weight[rows], None if bias is None else bias[rows]
        return F.linear(x.to(weight.dtype), weight, bias)

    def extra_repr(self) -> str:
        out_features, in_features = self.weight.shape
        return f"in_features={in_features}, out_features={out_features}, bias={self.bias is not None}"


class LayerNorm(nn.LayerNorm):
    """In the type of its weights, as `Linear`."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.to(self.weight.dtype))


def activation(name: str | None) -> nn.Module:
    """
    The activation function of this name in transformers (or "leakyrelu"); the identity for `None`.

    Raises:
        AdapterConfigError: there is none.
    """
    if name is None:
        return nn.Identity()
    if name.lower() == "leakyrelu":
        return nn.LeakyReLU()
    try:
        return get_activation(name.lower())
    except KeyError as error:
        raise AdapterConfigError(f"unknown activation function {name!r}; see transformers.activations") from error


def init_bert_weights(module: nn.Module) -> None:
    """Draw dense weights as BERT does (normal, std 0.02), set biases to zero and norms to the identity."""
    if isinstance(module, Linear):
        nn.init.normal_(module.weight, std=0.02)
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


class Gate(Linear):
    """Learned weights in (0, 1) for whole examples: the sigmoid of a linear map, averaged over the sequence."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, length, in) → (batch, 1, out)."""
        return torch.sigmoid(super().forward(x)).mean(dim=-2, keepdim=True)
