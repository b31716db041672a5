"""Hypercomplex projections: a weight matrix as a sum of Kronecker products, as Compacter uses it.

    W = Σᵢ Aᵢ ⊗ Bᵢ        A: (n, n, n)   B: (n, in / n, out / n)        y = x W + b

Zhang et al., 2021 (https://arxiv.org/abs/2102.08597); Mahabadi et al., 2021 (https://arxiv.org/abs/2106.04647).
The Aᵢ ("rule") and Bᵢ ("W") may be products of two thin matrices, and may be shared by all projections of an adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from generated.core.configuration import BnConfig
from generated.core.errors import AdapterConfigError
from generated.core.layers.slot import Borrowed


class PHMLinear(nn.Module):
    """
    One projection.

    Args:
        position: "down" or "up": which of the shared matrices are its own.
        shared: module that holds the shared matrices, if the configuration shares any.
    """

    def __init__(
        self, in_features: int, out_features: int, position: str, config: BnConfig, shared: nn.Module | None = None
    ) -> None:
        super().__init__()
        _check_divisible(in_features, out_features, config.phm_dim)
        self.config = config
        self.shared = Borrowed(shared)
        self.weight_name = f"W_{position}" if config.shared_W_phm else "W"
        if not config.shared_phm_rule:
            _add_rule(self, config)
        if not config.shared_W_phm:
            _add_weight(self, self.weight_name, in_features, out_features, config)
        self.b = nn.Parameter(torch.zeros(out_features)) if config.phm_bias else None

    def forward(self, x: Tensor) -> Tensor:
        weight = self._matrices(self.weight_name, x.device, is_shared=self.config.shared_W_phm)
        rule = self._matrices("phm_rule", x.device, is_shared=self.config.shared_phm_rule)
        product = torch.einsum("nab,ncd->acbd", rule, weight)
        y = x.to(product.dtype) @ product.reshape(rule.shape[1] * weight.shape[1], -1)
        return y if self.b is None else y + self.b

    def _matrices(self, name: str, device: torch.device, *, is_shared: bool) -> Tensor:
        return self.shared.module(name, device) if is_shared else _read(self, name, device)


class SharedPHM(nn.Module):
    """The matrices that all projections of one adapter share."""

    def __init__(self, hidden_size: int, width: int, config: BnConfig) -> None:
        super().__init__()
        if config.shared_W_phm:
            _check_divisible(hidden_size, width, config.phm_dim)
            _add_weight(self, "W_down", hidden_size, width, config)
            _add_weight(self, "W_up", width, hidden_size, config)
        if config.shared_phm_rule:
            _add_rule(self, config)

    def forward(self, name: str, device: torch.device) -> Tensor:
        """The stack of matrices of this name; called, so that hooks which bring weights from elsewhere find them."""
        return _read(self, name, device)


def _check_divisible(in_features: int, out_features: int, n: int) -> None:
    if in_features % n or out_features % n:
        raise AdapterConfigError(
            f"phm_dim={n} must divide the hidden size and the bottleneck width, which are {in_features} and "
            f"{out_features} (in the order of the projection); change phm_dim or reduction_factor"
        )


def _read(owner: nn.Module, name: str, device: torch.device) -> Tensor:
    """The stack of n matrices called `name`, multiplied out where it is stored as two factors."""
    if hasattr(owner, name):
        return getattr(owner, name).to(device)
    return torch.bmm(getattr(owner, f"{name}_left").to(device), getattr(owner, f"{name}_right").to(device))


def _add_weight(owner: nn.Module, name: str, in_features: int, out_features: int, config: BnConfig) -> None:
    rows, columns = in_features // config.phm_dim, out_features // config.phm_dim
    rank = config.phm_rank if config.factorized_phm_W else None
    for key, matrices in _stack(name, config.phm_dim, rows, columns, rank):
        for matrix in matrices:
            _weight_initializer(config)(matrix)
        owner.register_parameter(key, nn.Parameter(matrices))


def _add_rule(owner: nn.Module, config: BnConfig) -> None:
    rank = 1 if config.factorized_phm_rule else None
    for key, matrices in _stack("phm_rule", config.phm_dim, config.phm_dim, config.phm_dim, rank):
        _init_rule(matrices, config)
        if config.learn_phm:
            owner.register_parameter(key, nn.Parameter(matrices))
        else:
            owner.register_buffer(key, matrices)


def _stack(name: str, n: int, rows: int, columns: int, rank: int | None) -> Iterator[tuple[str, Tensor]]:
    if rank is None:
        yield name, torch.empty(n, rows, columns)
    else:
        yield f"{name}_left", torch.empty(n, rows, rank)
        yield f"{name}_right", torch.empty(n, rank, columns)


def _init_rule(matrices: Tensor, config: BnConfig) -> None:
    if config.phm_c_init == "normal":
        nn.init.normal_(matrices, std=config.phm_init_range)
    elif config.phm_c_init == "uniform":
        nn.init.uniform_(matrices, -1, 1)
    else:
        raise AdapterConfigError(f"unknown phm_c_init {config.phm_c_init!r}; known: normal, uniform")


def _weight_initializer(config: BnConfig) -> Callable[[Tensor], Tensor]:
    known = {
        "glorot-uniform": nn.init.xavier_uniform_,
        "glorot-normal": nn.init.xavier_normal_,
        "normal": lambda matrix: nn.init.normal_(matrix, std=config.phm_init_range),
    }
    if config.hypercomplex_nonlinearity not in known:
        raise AdapterConfigError(
            f"unknown hypercomplex_nonlinearity {config.hypercomplex_nonlinearity!r}; known: {', '.join(known)}"
        )
    return known[config.hypercomplex_nonlinearity]
