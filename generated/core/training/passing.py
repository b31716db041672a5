"""Do the linear maps of a model pass gradients on? Kernels for quantised weights need not: some only compute."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import torch
from torch import nn

from generated.core.errors import TrainingSetupError
from generated.core.layers.lora import LoRALinearMixin, knows_its_widths, stores_matrix
from generated.core.layers.offloading import weights_at_hand
from generated.core.methods.base import weight_placement


def refuse_where_gradients_end(base: nn.Module) -> None:
    """
    Can what lies in front of each linear map of a base model learn? Of each class of maps that store no plain matrix,
    one is asked.

    Raises:
        TrainingSetupError: gradients end at one of them, and adapters before it would stay as they are.
    """
    for path, linear in _one_of_each_class(base):
        if _ends_gradients(linear, base):
            raise TrainingSetupError(
                f"gradients end at {path} ({type(linear).__name__}), so adapters in front of it would never learn; "
                "load the model without quantisation, or with one that passes gradients on. Some pack their weights "
                "for inference when the model is called in eval mode: then load it anew, and evaluate after training"
            )


def _one_of_each_class(base: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    seen: set[type] = set()
    for path, module in base.named_modules():
        if knows_its_widths(module) and type(module) not in seen and not stores_matrix(module):
            seen.add(type(module))
            yield path, module


def _ends_gradients(linear: nn.Module, base: nn.Module) -> bool:
    device, dtype = weight_placement(linear, base)
    probe = torch.zeros(1, linear.in_features, device=device, dtype=dtype, requires_grad=True)
    try:
        with weights_at_hand(linear), torch.enable_grad():
            output = _unadapted(linear, probe)
            return not output.requires_grad or _gradient(output, probe) is None
    except Exception:
        return False  # what it wants is not known, and what it cannot do it will say itself


def _gradient(output: torch.Tensor, x: torch.Tensor) -> torch.Tensor | None:
    """None also where PyTorch knows of no derivative, of which it only warns."""
    with warnings.catch_warnings(action="ignore"):
        return torch.autograd.grad(output.sum(), x, allow_unused=True)[0]


def _unadapted(linear: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """What the map gives without adapters, and without hooks."""
    if isinstance(linear, LoRALinearMixin):
        return super(LoRALinearMixin, linear).forward(x)
    return type(linear).forward(linear, x)
