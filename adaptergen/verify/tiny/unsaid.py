"""What do models read in a configuration of which the default says nothing there, but elsewhere?"""

from __future__ import annotations

import re
from typing import Any

from transformers import PreTrainedConfig

from adaptergen.verify.tiny.parts import parts_of


OF_ATTENTION = r"(attn|attention)_config"
HEADS, KEYS = "num_attention_heads", "num_key_value_heads"
LENGTH, TURN = "num_hidden_layers", "rope_theta"


def told(config: PreTrainedConfig) -> PreTrainedConfig:
    """The same configuration, in which the whole and its parts say what only the other one said."""
    parts = dict[str, Any](parts_of(config))
    lengths = [value for part in parts.values() if (value := getattr(part, LENGTH, None))]
    if lengths and hasattr(config, "use_cache") and not hasattr(config.get_text_config(decoder=True), LENGTH):
        setattr(config, LENGTH, max(lengths))  # a cache has as many layers
    if hasattr(config, HEADS) and not hasattr(config, KEYS) and any(hasattr(part, KEYS) for part in parts.values()):
        setattr(config, KEYS, getattr(config, HEADS))
    positions = getattr(config, "rope_parameters", None) or {}
    for name, part in parts.items():
        if re.fullmatch(OF_ATTENTION, name) and TURN in positions and not hasattr(part, TURN):
            setattr(part, TURN, positions[TURN])
    return config
