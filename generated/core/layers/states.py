"""How are tensors divided and put together, whatever a state calls them? Tensors that a state lacks are `None`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor


AnyState = TypeVar("AnyState")  # a named tuple
HiddenState = TypeVar("HiddenState")  # a named tuple that has `hidden_states`


def narrow(tensor: Tensor | None, dim: int, start: int, length: int) -> Tensor | None:
    """A part of one dimension; what is broadcast over it stays whole."""
    return tensor if tensor is None or tensor.shape[dim] == 1 else tensor.narrow(dim, start, length)


def mean(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Weighted sum over number."""
    return sum(weight * tensor for weight, tensor in zip(weights, tensors, strict=True)) / len(tensors)


def choose(tensors: Sequence[Tensor], rows: Tensor) -> Tensor:
    """Row i is that of `tensors[rows[i]]`; all of one shape (batch, …), `rows` is (batch,)."""
    stacked = torch.stack(list(tensors))
    rows = rows.to(stacked.device)
    return stacked[rows, torch.arange(stacked.shape[1], device=stacked.device)]


def is_flat(state: AnyState) -> bool:
    return all(value.dim() == 2 for value in state if isinstance(value, Tensor))


def apart(state: AnyState, examples: int) -> AnyState:
    """Tokens of all examples that were made flat, (batch · length, …), as (batch, length, …) again."""
    return _each_tensor(state, lambda tensor: tensor.unflatten(0, (examples, -1)))


def flat(state: AnyState) -> AnyState:
    """The reverse of `apart`."""
    return _each_tensor(state, lambda tensor: tensor.flatten(0, 1))


def _each_tensor(state: AnyState, change: Callable[[Tensor], Tensor]) -> AnyState:
    fields = state._asdict().items()
    return state._replace(**{name: change(value) for name, value in fields if isinstance(value, Tensor)})


# The methods of states whose changed tensor is `hidden_states`. A named tuple has no other base to take them from.


def size_of_hidden(state: HiddenState, dim: int) -> int:
    return state.hidden_states.shape[dim]


def join_hidden(state: HiddenState, parts: Sequence[HiddenState], dim: int) -> HiddenState:
    return state._replace(hidden_states=torch.cat([part.hidden_states for part in parts], dim))


def mean_of_hidden(state: HiddenState, parts: Sequence[HiddenState], weights: Sequence[float]) -> HiddenState:
    return state._replace(hidden_states=mean([part.hidden_states for part in parts], weights))


def choose_hidden(state: HiddenState, parts: Sequence[HiddenState], rows: Tensor) -> HiddenState:
    return state._replace(hidden_states=choose([part.hidden_states for part in parts], rows))
