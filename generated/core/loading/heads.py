"""How does the fixed head of a transformers class get to disk and back?"""

from __future__ import annotations

from os import PathLike

import torch
from torch import nn

from generated.core.errors import AdapterFileError, HeadMismatchError
from generated.core.loading.adapters import describe
from generated.core.loading.folder import HEAD_FILES, read_config, read_tensors, write


def save_static_head(model: nn.Module, directory: str | PathLike) -> None:
    """Write the head of `model`, if it has parameters, in AdapterHub's format for fixed heads."""
    tensors = model.head_tensors()
    if not tensors:
        return
    description = describe(model, None, None)
    description |= {"num_labels": model.config.num_labels, "label2id": model.config.label2id}
    write(directory, HEAD_FILES, description, tensors)


def load_static_head(model: nn.Module, directory: str | PathLike, *, allow_pickle: bool = False) -> None:
    """
    Read a head into `model`. What is tied to the base model keeps the base model's values.

    Raises:
        HeadMismatchError: the head is of another class.
        AdapterFileError: a tensor is missing or has another shape; nothing was changed.
    """
    description = read_config(directory, HEAD_FILES)
    if description.get("model_class") != type(model).__name__:
        raise HeadMismatchError(
            f"{directory} holds the head of {description.get('model_class')}, not of {type(model).__name__}"
        )
    path, stored = read_tensors(directory, HEAD_FILES, allow_pickle=allow_pickle)
    needed = model.head_tensors()
    problems = [f"missing: {key}" for key in needed.keys() - stored.keys()]
    problems += [
        f"wrong shape: {key} is {tuple(stored[key].shape)}, the model needs {tuple(tensor.shape)}"
        for key, tensor in needed.items()
        if key in stored and stored[key].shape != tensor.shape
    ]
    if problems:
        raise AdapterFileError(f"{path} does not fit this model:\n  " + "\n  ".join(sorted(problems)))
    with torch.no_grad():
        for key, tensor in needed.items():
            tensor.copy_(stored[key])
