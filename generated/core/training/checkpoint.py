"""
What of a model is in a checkpoint of adapters? All that is trained, all adapters, and nothing of the base model else.

    <name>/               an adapter, a prediction head, or both: what `load_adapter` and `load_head` read
    trained.safetensors   weights of the model that are trained, too

Weights are filled into the model that is there, so that optimizers keep what they hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from generated.core.errors import AdapterFileError


OTHER_WEIGHTS = "trained.safetensors"


def save_checkpoint(model: nn.Module, directory: Path) -> None:
    """Write adapters, heads, and whatever else of `model` is trained."""
    model.save_all_adapters(directory)
    for head in getattr(model, "heads", ()):
        model.save_head(directory / head, head)
    stored = set(_read(_folder_files(model, directory)))
    missing = _trained_but_not_in(model, stored)
    rest = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in missing.items()}
    (directory / OTHER_WEIGHTS).unlink(missing_ok=True)
    if rest:
        save_file(rest, directory / OTHER_WEIGHTS, metadata={"format": "pt"})


def load_checkpoint(model: nn.Module, directory: Path) -> None:
    """
    Fill the weights of a checkpoint into `model`. What it has and the checkpoint lacks must not be trained.

    Raises:
        AdapterFileError: a weight that is trained is missing, or one has another shape; the model is as before.
    """
    files = [*_folder_files(model, directory), directory / OTHER_WEIGHTS]
    stored = _read(file for file in files if file.is_file())
    state = model.state_dict(keep_vars=True)
    problems = [f"missing: {name}" for name in _trained_but_not_in(model, stored)]
    problems += [f"unknown: {name}" for name in stored.keys() - state.keys()]
    problems += [
        f"wrong shape: {name} is {tuple(tensor.shape)}, the model needs {tuple(state[name].shape)}"
        for name, tensor in stored.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if problems:
        raise AdapterFileError(
            f"{directory} holds no checkpoint of this model with its adapters and heads:\n  "
            + "\n  ".join(sorted(problems))
        )
    with torch.no_grad():
        for name, tensor in stored.items():
            state[name].copy_(tensor)


def _folder_files(model: nn.Module, directory: Path) -> Iterator[Path]:
    """The weight files in the folders of the adapters and heads of `model`, as far as they exist."""
    for name in dict.fromkeys((*model.adapters_config, *getattr(model, "heads", ()))):
        yield from sorted((directory / name).glob("*.safetensors"))


def _trained_but_not_in(model: nn.Module, names: set[str] | Mapping[str, Tensor]) -> dict[str, nn.Parameter]:
    """Parameters that are trained, and that have none of these names."""
    stored = {id(tensor) for name, tensor in model.state_dict(keep_vars=True).items() if name in names}
    trained = ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)
    return {name: parameter for name, parameter in trained if id(parameter) not in stored}


def _read(files: Iterator[Path]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            tensors |= load_file(file)
        except (SafetensorError, OSError) as error:
            raise AdapterFileError(f"{file} cannot be read as weights: {error}") from error
    return tensors
