"""What does a default configuration leave out that trained models have: parts, and the tokens that stand for them?"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from adaptergen.verify.tiny import rotary


BEGINNINGS = r"(vision|image|video|audio)_start_token_id"  # of what stands in a text for something else
READ = r'getattr\(config, "(\w+_token_(?:id|index))", ([\d_]+)\)'  # by a model, if the configuration has it
SEEN = "vision_start_token_id"  # where texts have it, words have a place in time and two in a picture


def whole(config_class: type[PreTrainedConfig], *, parts: bool) -> PreTrainedConfig:
    """The default configuration, with all parts that it may have if they are wanted and it can be had with them."""
    config = _with_parts(config_class) if parts else config_class()
    inside = [*_tree(config)]
    for each in inside:
        for name, token in _missing_tokens(each):
            setattr(each, name, token)
    if any(hasattr(each, SEEN) for each in inside):
        for each in inside:
            _turn_thrice(each)
    return config


def _with_parts(config_class: type[PreTrainedConfig]) -> PreTrainedConfig:
    config = config_class()
    wanting: dict[str, Any] = {name: {} for name in _optional_parts(config_class) if getattr(config, name) is None}
    try:
        return config_class(**wanting)
    except Exception:  # upstream refuses in whatever way it likes
        return config


def parts_of(config: PreTrainedConfig) -> Iterator[tuple[str, PreTrainedConfig]]:
    """The configurations right inside of one, by name."""
    yield from ((name, value) for name, value in vars(config).items() if isinstance(value, PreTrainedConfig))


def _tree(config: PreTrainedConfig) -> Iterator[PreTrainedConfig]:
    yield config
    for _, part in parts_of(config):
        yield from _tree(part)


def _turn_thrice(config: PreTrainedConfig) -> None:
    """Let the positions of words say which part of a head each of their three numbers turns."""
    parameters = getattr(config, "rope_parameters", None)
    if hasattr(config, "vocab_size") and isinstance(parameters, dict) and "rope_type" in parameters:
        parameters.setdefault(rotary.SECTIONS, [1, 1, 1])


def _missing_tokens(config: PreTrainedConfig) -> list[tuple[str, int]]:
    """Tokens of its parts that only another configuration of the same file knows, or only the model."""
    has_parts = any(True for _ in parts_of(config))
    known = (*_tokens_nearby(type(config)), *_tokens_read(type(config))) if has_parts else ()
    return [(name, token) for name, token in known if not hasattr(config, name)]


def _optional_parts(config_class: type[PreTrainedConfig]) -> Iterator[str]:
    for name, part in getattr(config_class, "sub_configs_defaults", {}).items():
        if getattr(part, "optional", False):
            yield name


def _tokens_nearby(config_class: type[PreTrainedConfig]) -> Iterator[tuple[str, int]]:
    for each in vars(sys.modules[config_class.__module__]).values():
        if (
            isinstance(each, type)
            and issubclass(each, PreTrainedConfig)
            and each.__module__ == config_class.__module__
        ):
            yield from ((name, value) for name, value in _defaults(each) if re.fullmatch(BEGINNINGS, name))


def _tokens_read(config_class: type[PreTrainedConfig]) -> Iterator[tuple[str, int]]:
    file = Path(getattr(sys.modules[config_class.__module__], "__file__", None) or ".")
    modeling = file.parent / file.name.replace("configuration_", "modeling_", 1)
    if modeling.is_file():
        yield from ((name, int(token)) for name, token in re.findall(READ, modeling.read_text(encoding="utf-8")))


def _defaults(config_class: type[PreTrainedConfig]) -> Iterator[tuple[str, Any]]:
    for field in getattr(config_class, "__dataclass_fields__", {}).values():
        if type(field.default) is int:
            yield field.name, field.default
