"""What a model that writes text adds: adapters in the calls of a generation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from generated.core.forward_inputs import repeat_batch


class OnlyOverUpstream:
    """A method that a class has if upstream's does: programs ask `hasattr(model, "generate")`."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method
        self.__doc__ = method.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.name = owner, name

    def __get__(self, instance: object, cls: type) -> Any:
        if not hasattr(super(self.owner, cls), self.name):
            raise AttributeError(f"{cls.__name__!r} object has no attribute {self.name!r}")
        return self.method.__get__(instance, cls)


class WritingAdaptersMixin:
    """Adapters in `generate`."""

    @OnlyOverUpstream
    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """As in transformers; takes the arguments for adapters that a call of the model takes."""
        inputs = self.adapted_base.forward_inputs
        if not inputs.concerns(kwargs):
            return super().generate(*args, **kwargs)
        if inputs.channels > 1:
            args, kwargs = repeat_batch(args, kwargs, inputs.channels)
        with inputs.generating(kwargs):
            return super().generate(*args, **kwargs)

    def _maybe_prepare_encoder_kwargs_for_generation(
        self, inputs_tensor: Tensor, model_kwargs: dict[str, Any], *args: Any
    ) -> dict[str, Any]:
        """In a generation the encoder is called by itself."""
        with self.adapted_base.forward_inputs.reading(model_kwargs):
            return super()._maybe_prepare_encoder_kwargs_for_generation(inputs_tensor, model_kwargs, *args)
