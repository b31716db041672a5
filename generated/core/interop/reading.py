"""What is in an adapter folder, whichever library wrote it?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from torch import nn
from transformers.models.auto import modeling_auto

from generated.core import loading
from generated.core.interop.peft_files import PEFT_FILES, is_peft_folder, read_whole_modules
from generated.core.interop.peft_reading import read_peft_adapter
from generated.core.loading import HeadFolder, StoredAdapter
from generated.core.loading.folder import read_json


# PEFT names the task where transformers has one class for it.
CLASSES_OF_TASKS = {
    "SEQ_CLS": modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    "TOKEN_CLS": modeling_auto.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES,
    "QUESTION_ANS": modeling_auto.MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES,
    "CAUSAL_LM": modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    "SEQ_2_SEQ_LM": modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
}


def read_adapter(
    model: nn.Module,
    directory: str | PathLike,
    leave_out: Collection[int] | None = None,
    *,
    allow_pickle: bool = False,
) -> StoredAdapter:
    """
    The adapter in a folder of AdapterHub's format or of PEFT's.

    Raises:
        AdapterFileError: the folder cannot be read, or holds nothing that `model` can take.
    """
    read = read_peft_adapter if is_peft_folder(directory) else loading.read_adapter
    return read(model, directory, leave_out, allow_pickle=allow_pickle)


def has_head(directory: str | PathLike, *, allow_pickle: bool = False) -> bool:
    """Does the folder hold a prediction head beside its adapter?"""
    if loading.has_head(directory):
        return True
    return is_peft_folder(directory) and bool(read_whole_modules(directory, allow_pickle=allow_pickle)[1])


def read_head(model: nn.Module, directory: str | PathLike, *, allow_pickle: bool = False) -> HeadFolder:
    """
    The head in a folder. One of PEFT is what it saved as a whole, and may be a part of the model's head only.

    Raises:
        AdapterFileError: the folder cannot be read.
    """
    if loading.has_head(directory) or not is_peft_folder(directory):
        return loading.read_head_folder(directory, allow_pickle=allow_pickle)
    path, tensors = read_whole_modules(directory, allow_pickle=allow_pickle)
    description = {"model_class": _model_class(model, read_json(Path(directory) / PEFT_FILES.config))}
    return HeadFolder(description, path, tensors, is_partial=True)


def _model_class(model: nn.Module, options: Mapping[str, Any]) -> str | None:
    mapping: dict[str, Any] = options.get("auto_mapping") or {}
    of_task = CLASSES_OF_TASKS.get(options.get("task_type"), {}).get(model.config.model_type)
    return mapping.get("base_model_class") or of_task
