"""How large are the weights of a tiny model, so that everything in it shows in the output?"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd


GAIN = 1.7  # of a map: large, without making signals endless in deep or wide models


def spread(model: nn.Module) -> None:
    """Weights of maps and embeddings become large, those of norms, biases and scales differ; nothing is dropped."""
    unscaled, beside = _before_batch_norms(model), _side_by_side(model)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
            if isinstance(module, _BatchNorm) and module.weight is not None:
                module.weight.fill_(beside.get(module, 1) ** -0.5)  # some start near zero, and let nothing through
            gain = 1.0 if module in unscaled else GAIN
            for parameter in module.parameters(recurse=False):
                if _maps(module, parameter):
                    parameter.normal_(std=min(0.3, gain / math.sqrt(max(1, _inputs(module, parameter)))))
                else:
                    parameter.add_(0.1 * torch.randn_like(parameter))


def _before_batch_norms(model: nn.Module) -> frozenset[nn.Module]:
    """Maps whose signals would grow from layer to layer: a batch norm of a model in eval mode does not scale them."""
    return frozenset(
        module
        for parent in model.modules()
        if any("BatchNorm" in type(child).__name__ for child in parent.children())
        for module in parent.children()
    )


def _side_by_side(model: nn.Module) -> dict[nn.Module, int]:
    """Batch norms whose results are summed, and of how many: a list of branches, with others like them beside."""
    found: dict[nn.Module, int] = {}
    for parent in model.modules():
        lists = [child for child in parent.children() if isinstance(child, nn.ModuleList)]
        listed = [norm for branches in lists for branch in branches for norm in _batch_norms(branch)]
        beside = [norm for branch in (parent, *parent.children()) for norm in _batch_norms(branch)]
        norms = (*listed, *beside)
        if listed and beside and len({norm.num_features for norm in norms}) == 1:
            found |= dict.fromkeys(norms, len(norms))
    return found


def _batch_norms(branch: nn.Module | None) -> list[_BatchNorm]:
    return [child for child in (branch.children() if branch is not None else ()) if isinstance(child, _BatchNorm)]


def _maps(module: nn.Module, weight: nn.Parameter) -> bool:
    """Is it no vector, nor a number for each head that is written as (heads, 1, 1)?"""
    is_scale = weight.dim() > 2 and weight.shape[0] == weight.numel() and not isinstance(module, _ConvNd)
    return weight.dim() > 1 and not is_scale


def _inputs(module: nn.Module, weight: nn.Parameter) -> int:
    """How many numbers are summed for each that comes out; of maps of experts, the smaller of the two sizes."""
    if isinstance(module, _ConvNd):
        return math.prod(weight.shape[1:])
    return int(weight.shape[1] if weight.dim() == 2 else min(weight.shape[-2:]))
