"""What did adapter configurations of earlier libraries mean, where they mean something else today?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packaging.version import InvalidVersion, Version


NON_LINEARITIES_BEFORE_VERSIONS = {"gelu": "gelu_new", "gelu_orig": "gelu"}


def modernize(description: Mapping[str, Any]) -> dict[str, Any]:
    """
    The content of an `adapter_config.json` in today's terms. In the first generation the configuration of a task
    adapter spoke of invertible adapters, which only language adapters had.
    """
    config = description.get("config")
    if not isinstance(config, dict):
        return dict(description)
    if "version" not in description:
        config = _rename_non_linearity(config)
    if description.get("type") == "text_task":
        config = {key: value for key, value in config.items() if not key.startswith("inv")}
    if _scaled_wrongly(str(description.get("version")), config):
        config = config | {"alpha": config["r"]}
    return {**description, "config": config}


def _rename_non_linearity(config: dict[str, Any]) -> dict[str, Any]:
    """Files without version are from adapter-transformers 1: its activation functions had other names."""
    if "non_linearity" not in config:
        return config
    return config | {
        "non_linearity": NON_LINEARITIES_BEFORE_VERSIONS.get(config["non_linearity"], config["non_linearity"])
    }


def _scaled_wrongly(version: str, config: Mapping[str, Any]) -> bool:
    """adapters before 1.1.0 trained LoRA without its scaling; alpha = r makes such weights work as trained."""
    library, _, number = version.partition(".")
    if library != "adapters" or config.get("architecture") != "lora":
        return False
    try:
        return Version(number) < Version("1.1.0")
    except InvalidVersion:
        return False
