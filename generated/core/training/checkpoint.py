"""
What of a model is in a checkpoint of adapters? All that is trained, all adapters, and nothing of the base model else.

    <name>/               an adapter, a mixture, a prediction head: what `load_adapter` and its like read
    embeddings/<name>/    the embeddings in use, if they are trained and not sharded: what `load_embeddings` reads
    trained.safetensors   other weights of the model that are trained

Weights are filled into the model that is there, so that optimizers keep what they hold.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from generated.core.configuration import config_from_dict
from generated.core.errors import AdapterFileError
from generated.core.layers.sharding import fill, is_sharded, whole, written_once
from generated.core.loading.embeddings import EMBEDDING_FILE
from generated.core.loading.folder import ADAPTER_FILES, read_config
from generated.core.loading.quantised_heads import taken_in
from generated.core.loading.replacing import NewFiles, part, replacing, saved_together
from generated.core.placed import word_embeddings


OTHER_WEIGHTS = "trained.safetensors"


def save_checkpoint(model: nn.Module, directory: Path) -> None:
    """Write adapters, heads, and whatever else of `model` is trained; if FSDP shards it, all processes call this."""
    rest_file = directory / OTHER_WEIGHTS
    with written_once(model) as is_here:
        if is_here:  # it belongs to what is replaced; what is trained and not there is asked for
            rest_file.unlink(missing_ok=True)
    with saved_together():
        model.save_all_adapters(directory)
        model.save_all_adapter_fusions(directory)
        for head in getattr(model, "heads", ()):
            model.save_head(directory / head, head)
        embeddings = word_embeddings(model)
        if isinstance(embeddings, nn.Embedding) and embeddings.weight.requires_grad and not is_sharded(model):
            model.save_embeddings(_embeddings_folder(model, directory), model.active_embeddings)
    stored = set(_stored(model, directory))
    missing = _trained_but_not_in(model, stored)
    rest = {name: whole(tensor).detach().cpu().clone().contiguous() for name, tensor in missing.items()}
    with written_once(model) as is_here:
        if is_here and rest:
            with replacing(NewFiles(weights=rest_file)):
                save_file(rest, part(rest_file), metadata={"format": "pt"})


def load_checkpoint(model: nn.Module, directory: Path) -> None:
    """
    Fill the weights of a checkpoint into `model`. What it has and the checkpoint lacks must not be trained.

    Raises:
        AdapterFileError: a weight that is trained is missing, one has another shape, or an adapter another
            configuration; or a quantised part of the head stands for another matrix. The model is as before.
    """
    rest = directory / OTHER_WEIGHTS
    stored = _stored(model, directory) | (_read(rest) if rest.is_file() else {})
    state = model.state_dict(keep_vars=True)
    stored, packed = taken_in(model, model.quantised_head_maps(), stored)
    problems = packed + [f"another configuration: {name}" for name in _configured_otherwise(model, directory)]
    problems += [f"missing: {name}" for name in _trained_but_not_in(model, stored)]
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
            fill(state[name], tensor)


def _stored(model: nn.Module, directory: Path) -> dict[str, Tensor]:
    """What the folders hold of the adapters, mixtures, heads and embeddings of `model`, by names in its state dict."""
    config = model.adapters_config
    tensors: dict[str, Tensor] = {}
    for name in dict.fromkeys((*config, *config.fusions, *getattr(model, "heads", ()))):
        for file in sorted((directory / name).glob("*.safetensors")):
            tensors |= _read(file)
    embeddings = _embeddings_folder(model, directory) / EMBEDDING_FILE
    return tensors | (_input_embeddings(model, _read(embeddings)) if embeddings.is_file() else {})


def _configured_otherwise(model: nn.Module, directory: Path) -> list[str]:
    """Adapters whose weights mean something else in `model`, such as those of LoRA with another alpha."""
    folders = {name: directory / name for name in model.adapters_config}
    return [
        name
        for name, folder in folders.items()
        if any((folder / file).is_file() for file in (ADAPTER_FILES.config, ADAPTER_FILES.safetensors))
        and config_from_dict(read_config(folder, ADAPTER_FILES)["config"]) != model.adapters_config[name]
    ]


def _embeddings_folder(model: nn.Module, directory: Path) -> Path:
    return directory / "embeddings" / model.active_embeddings


def _input_embeddings(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    weight = model.get_input_embeddings().weight
    return {name: tensors["weight"] for name, parameter in model.named_parameters() if parameter is weight}


def _trained_but_not_in(model: nn.Module, names: Collection[str]) -> dict[str, nn.Parameter]:
    """Parameters that are trained, and that have none of these names."""
    stored = {id(tensor) for name, tensor in model.state_dict(keep_vars=True).items() if name in names}
    trained = ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)
    return {name: parameter for name, parameter in trained if id(parameter) not in stored}


def _read(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise AdapterFileError(f"{file} cannot be read as weights: {error}") from error
