"""How does the fixed head of a transformers class get to disk and back?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from generated.core.errors import AdapterFileError, HeadMismatchError
from generated.core.layers.sharding import fill, own_class
from generated.core.loading.adapters import describe
from generated.core.loading.folder import HEAD_FILES, read_config, read_tensors, write
from generated.core.loading.quantised_heads import as_matrices, taken_in


@dataclass(frozen=True)
class HeadFolder:
    """
    A prediction head as read from a folder.

    Args:
        description: `model_class` is the class with this head, if known; `config` is that of a flexible head.
        path: the file with the weights.
        tensors: the weights by their names in that class.
        is_partial: tensors of the head that are not in the file stay as they are.
    """

    description: Mapping[str, Any]
    path: Path
    tensors: Mapping[str, Tensor]
    is_partial: bool = False


def save_static_head(model: nn.Module, directory: str | PathLike, *, use_safetensors: bool = True) -> None:
    """Write the head of `model`, if it has parameters, in AdapterHub's format for fixed heads, not quantised."""
    tensors = model.head_tensors() | as_matrices(model, model.quantised_head_maps())
    if not tensors:
        return
    description = describe(model, None, None)
    description |= {"num_labels": model.config.num_labels, "label2id": model.config.label2id}
    write(model, directory, HEAD_FILES, description, tensors, use_safetensors=use_safetensors)


def read_head_folder(directory: str | PathLike, *, allow_pickle: bool) -> HeadFolder:
    """
    Raises:
        AdapterFileError: the folder cannot be read.
    """
    description = read_config(directory, HEAD_FILES)
    return HeadFolder(description, *read_tensors(directory, HEAD_FILES, allow_pickle=allow_pickle))


def load_static_head(model: nn.Module, head: HeadFolder) -> None:
    """
    Copy a head into `model`. What is tied to the base model keeps the base model's values.

    Raises:
        HeadMismatchError: the head is of another class.
        AdapterFileError: a tensor is missing or has another shape, or what it is for is quantised and stands for
            another one; nothing was changed.
    """
    made_for, own = head.description.get("model_class"), own_class(model).__name__
    if made_for != own and not (head.is_partial and made_for is None):
        raise HeadMismatchError(f"{head.path.parent} holds the head of {made_for}, not of {own}")
    needed = model.head_tensors()
    filled, problems = taken_in(model, model.quantised_head_maps(), head.tensors)
    problems += _problems(replace(head, tensors=filled), needed)
    if problems:
        raise AdapterFileError(f"{head.path} does not fit this model:\n  " + "\n  ".join(sorted(problems)))
    with torch.no_grad():
        for key in needed.keys() & filled.keys():
            fill(needed[key], filled[key])


def _problems(head: HeadFolder, needed: Mapping[str, Tensor]) -> list[str]:
    if head.is_partial:
        problems = [f"no part of the head of this class: {key}" for key in head.tensors.keys() - needed.keys()]
    else:
        problems = [f"missing: {key}" for key in needed.keys() - head.tensors.keys()]
    return problems + [
        f"wrong shape: {key} is {tuple(head.tensors[key].shape)}, the model needs {tuple(tensor.shape)}"
        for key, tensor in needed.items()
        if key in head.tensors and head.tensors[key].shape != tensor.shape
    ]
