"""How does a layer that is run again in the backward pass find what its slots read in the call that it belongs to?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from generated.core.forward_inputs import ForwardInputs


@dataclass(frozen=True)
class CarryingCheckpoint:
    """
    A checkpointing function whose recomputation finds what slots read in the call that is recomputed.

    Args:
        checkpoint: the function that transformers would use.
    """

    inputs: ForwardInputs
    checkpoint: Callable[..., Any]

    def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self.inputs.call.is_open:
            return self.checkpoint(function, *args, **kwargs)
        return self.checkpoint(partial(self.inputs.within, self.inputs.call, function), *args, **kwargs)


def carry_through_checkpoints(model: nn.Module, inputs: ForwardInputs) -> None:
    """Where checkpointing was switched on before adapters came."""
    for module in model.modules():
        function = module.__dict__.get("_gradient_checkpointing_func")
        if function is not None and not isinstance(function, CarryingCheckpoint):
            module._gradient_checkpointing_func = CarryingCheckpoint(inputs, function)


def no_longer_carry(model: nn.Module) -> None:
    """Undo `carry_through_checkpoints`."""
    for module in model.modules():
        function = module.__dict__.get("_gradient_checkpointing_func")
        if isinstance(function, CarryingCheckpoint):
            module._gradient_checkpointing_func = function.checkpoint
