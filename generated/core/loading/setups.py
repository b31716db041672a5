"""How is a setup of adapters, and of the heads that belong to it, written down?

adapter_setup.json      {"adapter_setup": {"type": "Stack", "children": [...]}, "head_setup": "task", "version": ...}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from torch import nn

from generated.core.composition import AdapterCompositionBlock, parse_composition
from generated.core.errors import AdapterFileError, UnsupportedCompositionError
from generated.core.lifecycle import is_weight_name
from generated.core.loading.folder import read_json
from generated.core.loading.replacing import NewFiles, part, replacing
from generated.core.version import VERSION


SETUP_FILE = "adapter_setup.json"


@dataclass(frozen=True)
class HeadNames:
    """The heads of a setup: nothing, a name, names, or a block of names."""

    setup: AdapterCompositionBlock | list[str] | str | None

    @property
    def names(self) -> tuple[str, ...]:
        if isinstance(self.setup, AdapterCompositionBlock):
            return self.setup.names
        return (self.setup,) if isinstance(self.setup, str) else tuple(self.setup or ())

    def to_json(self) -> Any:
        return self.setup.to_dict() if isinstance(self.setup, AdapterCompositionBlock) else self.setup

    @classmethod
    def from_json(cls, data: Any) -> HeadNames:
        return cls(AdapterCompositionBlock.from_dict(data) if isinstance(data, Mapping) else data)


def save_setup(
    model: nn.Module,
    directory: str | PathLike,
    setup: AdapterCompositionBlock,
    heads: HeadNames,
    meta: Mapping[str, Any] | None = None,
) -> None:
    """
    Raises:
        UnsupportedCompositionError: it has gaps, for which files have no word.
    """
    if any(child is None for block in setup.blocks for child in block):
        raise UnsupportedCompositionError(f"an adapter of {setup!r} was deleted; save a setup without gaps")
    description = {
        **(meta or {}),
        "adapter_setup": setup.to_dict(),
        "head_setup": heads.to_json(),
        "model_name": model.config.name_or_path or None,
        "model_type": model.config.model_type,
        "version": f"adaptergen.{VERSION}",
    }
    path = Path(directory) / SETUP_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(NewFiles(path)):
        part(path).write_text(json.dumps(description, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_setup(directory: str | PathLike) -> tuple[AdapterCompositionBlock, HeadNames]:
    """
    Raises:
        AdapterFileError: there is none, or it is damaged, or a name in it leads out of the folder.
    """
    path = Path(directory) / SETUP_FILE
    stored = read_json(path)
    try:
        setup = parse_composition(AdapterCompositionBlock.from_dict(stored["adapter_setup"]))
        heads = HeadNames.from_json(stored.get("head_setup"))
        names = [*setup.names, *heads.names, *(getattr(block, "name", "x") for block in setup.blocks)]
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError, UnsupportedCompositionError) as error:
        raise AdapterFileError(f"{path} holds no setup of adapters: {error}") from error
    wrong = [name for name in names if not is_weight_name(name)]
    if wrong:
        raise AdapterFileError(f"{path} names {wrong[0]!r}, which cannot be the name of an adapter or of a head")
    return setup, heads
