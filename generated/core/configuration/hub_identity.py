"""How did AdapterHub tell adapters apart? By their type, and by a hash of their configuration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class AdapterType(StrEnum):
    """What an adapter was trained on: a task, or text in a language."""

    text_task = "text_task"
    text_lang = "text_lang"

    @classmethod
    def has(cls, value: str) -> bool:
        return value in cls.__members__


# Later values that do not count, so that configurations keep the hash they had before there were such values.
_UNCOUNTED = {
    "phm_layer": True,
    "phm_dim": 4,
    "factorized_phm_W": True,
    "shared_W_phm": False,
    "shared_phm_rule": True,
    "factorized_phm_rule": False,
    "phm_c_init": "normal",
    "phm_init_range": 0.0001,
    "learn_phm": True,
    "hypercomplex_nonlinearity": "glorot-uniform",
    "phm_rank": 1,
    "phm_bias": True,
    "init_weights": "bert",
    "scaling": 1.0,
}


def get_adapter_config_hash(config: Mapping[str, Any], length: int = 16) -> str:
    """The first `length` hexadecimal digits of the SHA-1 of a configuration without its empty values."""
    if hasattr(config, "to_dict"):
        config = config.to_dict()
    counted = {
        key: value
        for key, value in _without_empty(config).items()
        if key not in _UNCOUNTED or value != _UNCOUNTED[key]
    }
    return hashlib.sha1(json.dumps(counted, sort_keys=True).encode(), usedforsecurity=False).hexdigest()[:length]


def _without_empty(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {key: _without_empty(inner) for key, inner in value.items() if inner}
