"""
How do the parts of a fixed head that are quantised get to disk, and what of a file do they stand for?

Files hold the matrix that such a map stands for, as any head takes it. The map itself takes none: what a file holds
must be what it stands for already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from generated.core.layers.lora import asked_matrix, bias_of, can_learn
from generated.core.methods.base import weight_placement


ROUNDING = 0.02  # of the largest weight: kernels of other devices, and the steps of eight bits


def without_packed(maps: Mapping[str, nn.Module], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without what these maps hold in forms of their own. Their biases are as those of other maps."""
    return {name: tensor for name, tensor in state.items() if not _is_packed(name, tensor, maps)}


def as_matrices(model: nn.Module, maps: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """What these maps of `model` stand for, under the names that it has in maps which are not quantised."""
    return {name: tensor for path, linear in maps.items() for name, tensor in _plain(model, path, linear)}


def taken_in(
    model: nn.Module, maps: Mapping[str, nn.Module], tensors: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """
    Which of the tensors of a file are to be filled in, and what hinders that: quantised maps of `model` that stand
    for another matrix.

    Args:
        maps: the quantised maps of the head, by their paths.
        tensors: of the file, by the names in maps that are not quantised.
    """
    own = as_matrices(model, {path: linear for path, linear in maps.items() if f"{path}.weight" in tensors})
    learning = {name for name, parameter in model.named_parameters() if name in own and can_learn(parameter)}
    problems = [
        f"quantised otherwise: {name}; load the model with {name.rpartition('.')[0]} left as it is"
        for name in own.keys() & tensors.keys() - learning
        if not _is_close(tensors[name], own[name])
    ]
    return {name: tensor for name, tensor in tensors.items() if name not in own or name in learning}, problems


def _plain(model: nn.Module, path: str, linear: nn.Module) -> Iterator[tuple[str, Tensor]]:
    device, dtype = weight_placement(linear, model.base_model)
    bias = bias_of(linear)
    yield f"{path}.weight", asked_matrix(linear, linear, torch.empty(0, device=device, dtype=dtype))
    if bias is not None:
        yield f"{path}.bias", bias


def _is_packed(name: str, tensor: Tensor, maps: Mapping[str, nn.Module]) -> bool:
    return not can_learn(tensor) and any(name.startswith(f"{path}.") for path in maps)


def _is_close(found: Tensor, own: Tensor) -> bool:
    if found.shape != own.shape:
        return False
    expected = own.detach().float().cpu()
    return bool((found.float().cpu() - expected).abs().max() <= ROUNDING * expected.abs().max())
