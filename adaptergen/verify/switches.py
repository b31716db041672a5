"""Which settings of a configuration can decide whether a part of a model is built at all?

One that is true or false, one that is a number or nothing (`q_lora_rank: int | None`), a list of layers of a kind of
which there are none by default (`mlp_only_layers`), and one that the modeling file asks for though the configuration
class declares none (`getattr(config, "adapter_attn_dim", None)`).
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from types import ModuleType, NoneType
from typing import Any, get_args

from transformers import PreTrainedConfig

from adaptergen.verify.tiny.layers import INDICES


SIZE = 16  # of a part that there is none of by default
_ASKED = re.compile(r'\bgetattr\((?:self\.)?config, "(?P<name>\w+)", (?P<default>None|False)\)')


def switches(config: PreTrainedConfig, modeling: ModuleType) -> Iterator[tuple[str, Any]]:
    """Settings with the value that each has not by default."""
    held = {name: value for name, value in vars(config).items() if not name.startswith("_")}
    optional = _optional_numbers(type(config))
    for name, value in sorted(held.items()):
        if isinstance(value, bool):
            yield name, not value
        elif name in optional:
            yield name, SIZE if value is None else None
        elif value == [] and re.fullmatch(INDICES, name):
            yield name, [0]
    for found in {found["name"]: found for found in _ASKED.finditer(inspect.getsource(modeling))}.values():
        if found["name"] not in held:
            yield found["name"], SIZE if found["default"] == "None" else True


def _optional_numbers(cls: type[PreTrainedConfig]) -> frozenset[str]:
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return frozenset(field.name for field in fields if {int, NoneType} <= {*get_args(field.type)})
