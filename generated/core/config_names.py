"""What does a model's configuration call the values that adapters need?

Most configurations of transformers answer to the usual names themselves. For the others a table, computed from the
generated modules, gives the attribute; nothing is ever written into the configuration or its class.
"""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedConfig

from generated.models import CONFIG_CLASS_KEYS_MAPPING


def config_value(config: PreTrainedConfig, name: str) -> Any:
    """
    The value called `name` in most configurations, e.g. "hidden_size", under whatever name this one has it.

    Raises:
        AttributeError: it has no such value.
    """
    attribute = CONFIG_CLASS_KEYS_MAPPING.get(config.model_type, {}).get(name, name)
    holder = config if hasattr(config, attribute) else config.get_text_config()
    return getattr(holder, attribute)
