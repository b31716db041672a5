"""What is to be called, and how large does its configuration say that things are?"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import Any

import torch
from msgspec import Struct, field
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel


BATCH, CHOICES, LENGTH, SOURCE_LENGTH, PADDING = 2, 3, 7, 5, 2
SIGHT = ("vision", "visual", "image", "video", "encoder", "backbone")
HEARING = ("audio", "speech", "sound", "acoustic", "encoder", "codec")
WORDS = ("text", "language", "llm", "decoder")


def parameters(cls: type[PreTrainedModel]) -> Collection[str]:
    """Names of the parameters of its forward."""
    return _parameters(cls.forward)


@cache
def _parameters(forward: Callable[..., Any]) -> Collection[str]:
    return inspect.signature(forward).parameters.keys()


class Call(Struct, frozen=True):
    """
    A call of a model with a batch of two.

    Args:
        model: of any architecture.
        padded: the second example ends in padding.
        choices: texts are (batch, choices, length), as multiple-choice models want them.
        random: where the numbers come from.
    """

    model: PreTrainedModel
    padded: bool = False
    choices: bool = False
    random: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(1))

    def takes(self, *names: str) -> bool:
        """Has the forward a parameter of one of these names?"""
        return any(name in parameters(type(self.model)) for name in names)

    def first(self, *names: str) -> str | None:
        """The first of these names that is a parameter of the forward, the main one before all others."""
        main = self.model.main_input_name
        ordered = (main, *names) if main in names else names
        return next((name for name in ordered if self.takes(name)), None)

    def needs(self, name: str) -> bool:
        """Is there a parameter of this name that has no default?"""
        parameter = inspect.signature(type(self.model).forward).parameters.get(name)
        return parameter is not None and parameter.default is parameter.empty

    def find(self, *names: str, near: Collection[str] = ()) -> Any:
        """The first of these attributes that the configuration, or one inside of it, knows; else `None`."""
        for config in configs(self.model.config, near):
            for name in names:
                value = getattr(config, name, None)
                if value is not None:
                    return value
        return None

    def number(self, *names: str, default: int, near: Collection[str] = ()) -> int:
        """Such an attribute as a number: the first one of a list."""
        value = self.find(*names, near=near)
        while isinstance(value, list | tuple) and value:
            value = value[0]
        return value if isinstance(value, int) else default

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.random)

    def mask(self, *shape: int, padding: int) -> Tensor:
        """Ones, and zeros for the padding at the end of the last example."""
        mask = torch.ones(shape, dtype=torch.long)
        if self.padded and padding:
            mask[-1, ..., -padding:] = 0
        return mask


def configs(config: PreTrainedConfig, near: Collection[str] = ()) -> Iterator[PreTrainedConfig]:
    """A configuration and all inside of it; those whose names say that they are of the right kind come first."""
    inner = [(name, each) for name, each in vars(config).items() if isinstance(each, PreTrainedConfig)]
    fitting = [each for name, each in inner if any(word in name for word in near)]
    for each in fitting:
        yield from configs(each, near)
    yield config
    for _, each in inner:
        if each not in fitting:
            yield from configs(each, near)
