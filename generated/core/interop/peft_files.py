"""What is in a folder of PEFT, and how are the weights in it named?

adapter_config.json    adapter_model.safetensors    or adapter_model.bin

    base_model.model . bert.encoder.layer.0.attention.self.query . lora_A.weight
    base_model.model . classifier.weight                                            (a module saved as a whole)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from torch import Tensor

from generated.core.errors import AdapterFileError
from generated.core.loading.folder import FileNames, read_json, read_tensors


PEFT_FILES = FileNames("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
KEY_PREFIX = "base_model.model."

# PEFT writes the magnitude of DoRA without ".weight", and has read it with it.
PARTS = {
    "lora_A.weight": "lora_A",
    "lora_B.weight": "lora_B",
    "lora_magnitude_vector": "magnitude",
    "lora_magnitude_vector.weight": "magnitude",
    "ia3_l": "ia3_l",
}
COMPLETE = ({"lora_A", "lora_B"}, {"ia3_l"})


@dataclass(frozen=True)
class PeftFolder:
    """
    A folder of PEFT as read.

    Args:
        path: the file with the weights.
        options: the content of `adapter_config.json`.
        adapted: for each adapted module, by its path in the file, the tensors of the adapter.
        whole: all other tensors, by their names in the file.
    """

    path: Path
    options: Mapping[str, Any]
    adapted: Mapping[str, Mapping[str, Tensor]]
    whole: Mapping[str, Tensor]


def is_peft_folder(directory: str | PathLike) -> bool:
    """Is the `adapter_config.json` in this folder one of PEFT? What cannot be read is none."""
    try:
        return "peft_type" in read_json(Path(directory) / PEFT_FILES.config)
    except AdapterFileError:
        return False


def read_peft_folder(directory: str | PathLike, *, allow_pickle: bool) -> PeftFolder:
    """
    Raises:
        AdapterFileError: the folder cannot be read, or lacks a part of what it has of a module.
    """
    options = read_json(Path(directory) / PEFT_FILES.config)
    path, tensors = read_tensors(directory, PEFT_FILES, allow_pickle=allow_pickle)
    adapted: dict[str, dict[str, Tensor]] = {}
    whole = {}
    for key, tensor in tensors.items():
        name = key.removeprefix(KEY_PREFIX)
        module, part = _split(name)
        if part is None:
            whole[name] = tensor
        else:
            adapted.setdefault(module, {})[part] = tensor
    incomplete = [module for module, parts in adapted.items() if parts.keys() - {"magnitude"} not in COMPLETE]
    if incomplete:
        raise AdapterFileError(f"{path} lacks a part of the weights for {', '.join(sorted(incomplete))}")
    return PeftFolder(path, options, adapted, whole)


def read_whole_modules(directory: str | PathLike, *, allow_pickle: bool) -> tuple[Path, dict[str, Tensor]]:
    """
    The file with the weights, and what was saved of whole modules, by its names in the file.

    Raises:
        AdapterFileError: the folder cannot be read.
    """

    def is_whole(key: str) -> bool:
        return _split(key)[1] is None

    path, tensors = read_tensors(directory, PEFT_FILES, allow_pickle=allow_pickle, is_wanted=is_whole)
    return path, {key.removeprefix(KEY_PREFIX): tensor for key, tensor in tensors.items()}


def _split(name: str) -> tuple[str, str | None]:
    """Module and part of an adapter's tensor; (name, None) for a tensor of another kind."""
    for ending, part in PARTS.items():
        if name.endswith(f".{ending}"):
            return name.removesuffix(f".{ending}"), part
    return name, None
