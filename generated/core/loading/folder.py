"""The files of an adapter: reading and writing them, and nothing else. No code in a file is ever executed.

adapter_config.json    adapter.safetensors      or pytorch_adapter.bin
head_config.json       model_head.safetensors   or pytorch_model_head.bin
adapter_fusion_config.json    model_adapter_fusion.safetensors    or pytorch_model_adapter_fusion.bin
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from generated.core.errors import AdapterFileError
from generated.core.layers.sharding import is_sharded, whole, written_once
from generated.core.loading.replacing import NewFiles, part, remove_old_parts, replacing


# What lies beside the weights of a whole model.
ADAPTERS_FOLDER, FUSIONS_FOLDER, HEADS_FOLDER = FOLDERS = ("adapters", "fusions", "heads")


@dataclass(frozen=True)
class FileNames:
    """Names of the files of one kind of folder."""

    config: str
    safetensors: str
    pickle: str


ADAPTER_FILES = FileNames("adapter_config.json", "adapter.safetensors", "pytorch_adapter.bin")
HEAD_FILES = FileNames("head_config.json", "model_head.safetensors", "pytorch_model_head.bin")
FUSION_FILES = FileNames(
    "adapter_fusion_config.json", "model_adapter_fusion.safetensors", "pytorch_model_adapter_fusion.bin"
)


def read_config(directory: str | Path, names: FileNames) -> dict[str, Any]:
    """
    Raises:
        AdapterFileError: the file is missing, or is not a JSON object, or one of PEFT.
    """
    path = Path(directory) / names.config
    config = read_json(path)
    if "peft_type" in config:
        raise AdapterFileError(f"{path} was written by PEFT; `load_adapter` reads such folders, and nothing else does")
    return config


def read_json(path: Path) -> dict[str, Any]:
    """
    Raises:
        AdapterFileError: the file is missing or is not a JSON object.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise AdapterFileError(
            f"{path} does not exist; give the folder that an adapter was saved to, or save it again"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise AdapterFileError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(config, dict):
        raise AdapterFileError(f"{path} holds no JSON object")
    return config


def read_tensors(
    directory: str | Path,
    names: FileNames,
    *,
    allow_pickle: bool,
    is_wanted: Callable[[str], bool] = bool,
) -> tuple[Path, dict[str, Tensor]]:
    """
    The weights, and the file that they are from: safetensors, or else, where it is allowed, a pickle of tensors.

    Args:
        is_wanted: by its name, is a tensor to be read? By default all are.

    Raises:
        AdapterFileError: there is no such file, or it is damaged, or it holds something else.
    """
    safe, pickled = Path(directory) / names.safetensors, Path(directory) / names.pickle
    if safe.is_file():
        return safe, read_some(safe, is_wanted)
    if not pickled.is_file():
        raise AdapterFileError(f"{directory} holds neither {names.safetensors} nor {names.pickle}")
    if not allow_pickle:
        raise AdapterFileError(
            f"{pickled} is a pickle, which is not read unasked; if you trust where it comes from, pass "
            "allow_pickle=True (no code in it is run), and save the adapter again to get a safetensors file"
        )
    return pickled, read_some(pickled, is_wanted)


def read_some(path: Path, is_wanted: Callable[[str], bool]) -> dict[str, Tensor]:
    """
    The wanted tensors of a file, safetensors or pickle.

    Raises:
        AdapterFileError: it is damaged, or holds something else than tensors.
    """
    if path.suffix != ".safetensors":
        return {name: tensor for name, tensor in _checked(path, _read_pickle).items() if is_wanted(name)}

    def read(path: Path) -> dict[str, Tensor]:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys() if is_wanted(name)}  # noqa: SIM118

    return _checked(path, read)


def write(
    model: nn.Module,
    directory: str | Path,
    names: FileNames,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    *,
    use_safetensors: bool = True,
) -> None:
    """
    Write configuration and weights; the folder is made if need be. Earlier weights of the other format are removed.
    Who reads the folder finds all of it as it was, or all of it new, or no configuration.

    Args:
        model: whose weights they are. Where FSDP has sharded it, all processes call this, and the first one writes.

    Raises:
        AdapterFileError: weights are offloaded; nothing is written.
    """
    directory = Path(directory)
    offloaded = [name for name, tensor in tensors.items() if tensor.is_meta]
    if offloaded:
        raise AdapterFileError(f"{offloaded[0]} is offloaded and cannot be written; remove the device hooks first")
    text = json.dumps(config, indent=2, sort_keys=True)
    # Each tensor is copied: safetensors refuses names that share memory.
    owned = {name: whole(tensor).detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    safe, pickled = directory / names.safetensors, directory / names.pickle
    with written_once(model) as is_here:
        if not is_here:
            return
        directory.mkdir(parents=True, exist_ok=True)
        weights, former = (safe, pickled) if use_safetensors else (pickled, safe)
        files = NewFiles(directory / names.config, weights, former)
        with replacing(files, at_once=is_sharded(model)):
            part(directory / names.config).write_text(text + "\n", encoding="utf-8")
            if use_safetensors:
                save_file(owned, part(safe), metadata={"format": "pt"})
            else:
                torch.save(owned, part(pickled))


def has_head(directory: str | Path) -> bool:
    directory = Path(directory)
    return (directory / HEAD_FILES.safetensors).is_file() or (directory / HEAD_FILES.pickle).is_file()


def folders_below(directory: str | Path, names: FileNames) -> list[Path]:
    """All folders below `directory` that hold something of this kind, or a part of it. Names may contain slashes."""
    files = (names.config, names.safetensors, names.pickle)
    return sorted({path.parent for name in files for path in Path(directory).rglob(f"*/{name}")})


def remove_others(directory: str | Path, kept: Collection[str]) -> None:
    """Remove from below `directory` what was written there under names that are not among `kept`."""
    root = Path(directory)
    kinds = (ADAPTER_FILES, FUSION_FILES, HEAD_FILES)
    for folder in {folder for names in kinds for folder in folders_below(root, names)}:
        if folder.relative_to(root).as_posix() in kept:
            continue
        for name in (file for names in kinds for file in (names.config, names.safetensors, names.pickle)):
            (folder / name).unlink(missing_ok=True)
            remove_old_parts(folder / name)
        _remove_empty(folder, root)


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _read_pickle(path: Path) -> dict[str, Tensor]:
    return torch.load(path, map_location="cpu", weights_only=True)


def _checked(path: Path, read: Any) -> dict[str, Tensor]:
    try:
        tensors = read(path)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise AdapterFileError(f"{path} cannot be read as weights: {error}") from error
    if not isinstance(tensors, dict) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise AdapterFileError(f"{path} holds something else than tensors by name")
    refuse_infinite(path, tensors)
    return tensors


def refuse_infinite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """
    Raises:
        AdapterFileError: a tensor holds what no model computes with.
    """
    wrong = sorted(name for name, tensor in tensors.items() if not tensor.isfinite().all())
    if wrong:
        raise AdapterFileError(f"{path} holds numbers that are infinite or none (NaN): {', '.join(wrong)}")
