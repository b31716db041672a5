"""What does a model's configuration call the values that adapters need?

Most configurations of transformers answer to the usual names themselves. For the others a table, computed from the
generated modules, gives the attribute; nothing is ever written into the configuration or its class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig

from generated.models import CONFIG_CLASS_KEYS_MAPPING


_OF_CLASSES: dict[tuple[str, str], Mapping[str, str]] = {}  # of packages that are in no project


def remember(names: Mapping[type[PreTrainedConfig], Mapping[str, str]]) -> None:
    """Take over what a package that is in no project says of its configuration class."""
    _OF_CLASSES.update({_written_in(cls): attributes for cls, attributes in names.items()})


def _names_of(config: PreTrainedConfig) -> Mapping[str, str]:
    for cls in type(config).__mro__:
        if _written_in(cls) in _OF_CLASSES:
            return _OF_CLASSES[_written_in(cls)]
    return CONFIG_CLASS_KEYS_MAPPING.get(config.model_type, {})


def _written_in(cls: type) -> tuple[str, str]:
    """The file and the name of a class: code of a checkpoint is imported twice, as its configuration and its model."""
    return cls.__module__.rpartition(".")[2], cls.__qualname__


def config_value(config: PreTrainedConfig, name: str) -> Any:
    """
    The value called `name` in most configurations, e.g. "hidden_size", under whatever name this one has it, or else
    the one inside it that is for text.

    Raises:
        AttributeError: it has no such value.
    """
    for holder in (config, text := config.get_text_config()):
        attribute = _names_of(holder).get(name, name)
        if hasattr(holder, attribute):
            return getattr(holder, attribute)
    return getattr(text, name)
