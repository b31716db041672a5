"""Invertible adapters: a change of the embeddings that is undone in front of the output embeddings.

They come in pairs of halves, each changed by what is read off the other (Pfeiffer et al., 2020, MAD-X,
https://arxiv.org/abs/2005.00052):

    NICE   y₁ = x₁ + F(x₂)              y₂ = x₂ + G(y₁)              (Dinh et al., 2015)
    GLOW   y₁ = e(s₂) x₁ + t₂ of x₂     y₂ = e(s₁) x₂ + t₁ of y₁     (Kingma & Dhariwal, 2018)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from generated.core.composition import AdapterCompositionBlock, BatchSplit, Parallel, Route, Stack
from generated.core.configuration import BnConfig
from generated.core.errors import AdapterConfigError, UnsupportedMethodError
from generated.core.layers import states
from generated.core.layers.channels import expect_channels
from generated.core.layers.linear import Linear, activation, init_bert_weights
from generated.core.layers.slot import AdapterModules, AdapterSlot


if TYPE_CHECKING:
    from generated.core.forward_inputs import ForwardInputs


class NICECoupling(nn.Module):
    """Additive coupling over the last dimension."""

    def __init__(self, size: int, non_linearity: str, reduction_factor: float) -> None:
        super().__init__()
        first, second = size // 2, size - size // 2
        self.sizes = (first, second)
        self.F = _subnet(second, first, non_linearity, reduction_factor)
        self.G = _subnet(first, second, non_linearity, reduction_factor)

    def forward(self, x: Tensor, rev: bool = False) -> Tensor:
        """(..., size) → (..., size); with `rev` the inverse."""
        first, second = x.split(self.sizes, dim=-1)
        if rev:
            second = second - self.G(first)
            first = first - self.F(second)
        else:
            first = first + self.F(second)
            second = second + self.G(first)
        return torch.cat((first, second), dim=-1)


class GLOWCoupling(nn.Module):
    """Affine coupling over the last dimension; `clamp` bounds the logarithm of the factors."""

    def __init__(self, size: int, non_linearity: str, reduction_factor: float, clamp: float = 5.0) -> None:
        super().__init__()
        first, second = size // 2, size - size // 2
        self.sizes = (first, second)
        self.clamp = clamp
        self.s1 = _subnet(first, 2 * second, non_linearity, reduction_factor)
        self.s2 = _subnet(second, 2 * first, non_linearity, reduction_factor)

    def forward(self, x: Tensor, rev: bool = False) -> Tensor:
        """(..., size) → (..., size); with `rev` the inverse."""
        first, second = x.split(self.sizes, dim=-1)
        if rev:
            factor, shift = self._affine(self.s1(first))
            second = (second - shift) / factor
            factor, shift = self._affine(self.s2(second))
            first = (first - shift) / factor
        else:
            factor, shift = self._affine(self.s2(second))
            first = factor * first + shift
            factor, shift = self._affine(self.s1(first))
            second = factor * second + shift
        return torch.cat((first, second), dim=-1)

    def _affine(self, output: Tensor) -> tuple[Tensor, Tensor]:
        log_factor, shift = output.chunk(2, dim=-1)
        return torch.exp(self.clamp * 0.636 * torch.atan(log_factor / self.clamp)), shift


COUPLINGS = {"nice": NICECoupling, "glow": GLOWCoupling}


def build_invertible(size: int, config: BnConfig) -> nn.Module:
    """
    The coupling that a configuration asks for, for embeddings of width `size`.

    Raises:
        AdapterConfigError: `inv_adapter` names none.
    """
    if config.inv_adapter not in COUPLINGS:
        raise AdapterConfigError(f"unknown inv_adapter {config.inv_adapter!r}; known: {', '.join(COUPLINGS)}")
    coupling = COUPLINGS[config.inv_adapter](size, config.non_linearity, config.inv_adapter_reduction_factor)
    return coupling.apply(init_bert_weights)


class InvertibleState(NamedTuple):
    """Embeddings, (batch, length, hidden), and whether the change is to be undone."""

    hidden_states: Tensor
    rev: bool

    def narrow(self, dim: int, start: int, length: int) -> InvertibleState:
        return InvertibleState(states.narrow(self.hidden_states, dim, start, length), self.rev)

    size = states.size_of_hidden
    join = states.join_hidden
    choose = states.choose_hidden


class InvertibleAdapters(AdapterSlot, AdapterModules):
    """
    The invertible adapters of a model. Of adapters that follow one another or are mixed only the first acts here.

    The three methods below the forward are hooks: the first two change what enters the first layer, the third undoes
    it where hidden states are turned into scores over the vocabulary. `handle` is that of the hook that came last:
    read from a pickle, it keeps hooks to come from taking the numbers of these.
    """

    handle: RemovableHandle | None = None
    supported_blocks = (Stack, BatchSplit, Parallel, Route)
    kind = "invertible adapters"

    @property
    def container(self) -> AdapterModules:
        return self

    def activate(self, setup: AdapterCompositionBlock | None, inputs: ForwardInputs | None = None) -> None:
        first = None if setup is None else first_for_each_row(setup)
        super().activate(Stack(first) if isinstance(first, str) else first, inputs)

    def forward(self, hidden_states: Tensor, rev: bool = False) -> Tensor:
        if self.active is None:
            return hidden_states
        return self.active.run(self, InvertibleState(hidden_states, rev)).hidden_states

    def run_adapter(self, name: str, state: InvertibleState) -> InvertibleState:
        expect_channels(state.hidden_states, sum(self[name].sizes), "an invertible adapter")
        changed = self[name](state.hidden_states, rev=state.rev)
        return state._replace(hidden_states=changed.to(state.hidden_states.dtype))

    def adapt_output(self, module: nn.Module, args: tuple, output: Any) -> Any:
        if isinstance(output, tuple):
            return (self(output[0]), *output[1:])
        return self(output)

    def adapt_input(self, module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        if args:
            return (self(args[0]), *args[1:]), kwargs
        if "hidden_states" not in kwargs:
            raise UnsupportedMethodError(f"{type(module).__name__} gets several states, of which none comes first")
        return args, kwargs | {"hidden_states": self(kwargs["hidden_states"])}

    def invert_input(self, module: nn.Module, args: tuple) -> tuple:
        return (self(args[0], rev=True), *args[1:])


def _subnet(in_features: int, out_features: int, non_linearity: str, reduction_factor: float) -> nn.Sequential:
    width = max(int(in_features // reduction_factor), 1)
    return nn.Sequential(Linear(in_features, width), activation(non_linearity), Linear(width, out_features))


def first_for_each_row(setup: AdapterCompositionBlock | str) -> AdapterCompositionBlock | str:
    """The adapter that an example meets first: one for all, or one in each part that the batch is divided into."""
    if isinstance(setup, BatchSplit | Parallel | Route):
        return setup.of([first_for_each_row(child) for child in setup])
    return setup if isinstance(setup, str) else first_for_each_row(setup[0])
