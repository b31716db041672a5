"""How does one flexible head get to disk and back?

A head folder holds a flexible head, or the fixed head of a transformers class, which is converted on the way in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from generated.core import interop
from generated.core.errors import AdapterFileError, HeadMismatchError
from generated.core.heads.base import PredictionHead
from generated.core.heads.conversion import Labels, convert_head
from generated.core.heads.errors import HeadConversionError
from generated.core.heads.tables import convertible_heads, unconvertible_heads
from generated.core.loading.adapters import describe
from generated.core.loading.folder import HEAD_FILES, folders_below, write


@dataclass(frozen=True)
class StoredHead:
    """A flexible head as read from a folder.

    Attributes:
        path: the file with the weights.
        name: under which it was saved; a fixed head has none.
        config: of the flexible head.
        weights: by `<position>.<parameter>`.
    """

    path: Path
    name: str | None
    config: dict[str, Any]
    weights: Mapping[str, torch.Tensor]


def write_head(
    model: PreTrainedModel, head: PredictionHead, directory: str | PathLike, *, use_safetensors: bool = True
) -> None:
    """Write a head of `model` to a folder, without a projection that is the model's input embeddings."""
    shared = model.get_input_embeddings().weight if head.is_tied else None
    tensors = {
        f"heads.{head.name}.{name}": tensor
        for name, tensor in head.state_dict(keep_vars=True).items()
        if tensor is not shared
    }
    description = describe(model, head.config, head.name)
    write(model, directory, HEAD_FILES, description, tensors, use_safetensors=use_safetensors)


def read_head(model: PreTrainedModel, directory: str | PathLike, *, allow_pickle: bool = False) -> StoredHead:
    """Read a head for `model` from a folder.

    Raises:
        HeadMismatchError: it is the head of another architecture, or a fixed head that no flexible head equals.
        AdapterFileError: the folder cannot be read.
    """
    folder = interop.read_head(model, directory, allow_pickle=allow_pickle)
    description, path, tensors = folder.description, folder.path, folder.tensors
    if description.get("model_type", model.config.model_type) != model.config.model_type:
        raise HeadMismatchError(
            f"{directory} holds a head for {description['model_type']}, this model is a {model.config.model_type}"
        )
    config, name = description.get("config"), description.get("name")
    if config is None:
        config, weights = _convert(model, description, tensors, directory)
        return StoredHead(path, None, config, weights)
    if not isinstance(name, str) or "head_type" not in config:
        raise AdapterFileError(f"{Path(directory) / HEAD_FILES.config} lacks `name` or `head_type`")
    weights = {_position(key, name): tensor for key, tensor in tensors.items()}
    return StoredHead(path, name, config, _absorb_scale(model, description, config, weights))


def head_folders(directory: str | PathLike) -> list[Path]:
    """All folders below `directory` that hold a head."""
    return folders_below(directory, HEAD_FILES)


def _convert(
    model: PreTrainedModel,
    description: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
    directory: str | PathLike,
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    model_class, package = description.get("model_class"), model.base_model.model_package
    convertible = convertible_heads(package)
    if model_class not in convertible:
        reason = unconvertible_heads(package).get(model_class, "no flexible head is known for this class")
        raise HeadConversionError(f"the head of {model_class} in {directory} cannot be converted: {reason}")
    labels = Labels(description.get("label2id"), description.get("num_labels"), description.get("problem_type"))
    return convert_head(convertible[model_class], tensors, labels, model.config)


def _absorb_scale(
    model: PreTrainedModel,
    description: Mapping[str, Any],
    config: Mapping[str, Any],
    weights: Mapping[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """Let the first layer take the factor by which the library `adapters` shrinks its input.

    It shrinks T5's hidden states for question answering as for language modeling; T5 itself does not.
    """
    first = "1.weight"
    written_by_adapters = str(description.get("version", "")).startswith("adapters.")
    if written_by_adapters and config["head_type"] == "question_answering" and first in weights:
        return {**weights, first: weights[first] * model.lm_scale}
    return dict(weights)


def _position(key: str, name: str) -> str:
    """`heads.NAME.1.weight` -> `1.weight`; a key of another shape stays and is reported as unknown."""
    return key.removeprefix(f"heads.{name}.")
