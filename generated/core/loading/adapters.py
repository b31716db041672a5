"""How does one adapter get to disk and back? Loading is all or nothing: an error leaves the model as it was."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import logging

from generated.core import fusions, lifecycle
from generated.core.configuration import AdapterConfig, PrefixTuningConfig, config_from_dict
from generated.core.errors import AdapterFileError
from generated.core.layers.offloading import at_hand
from generated.core.layers.sharding import own_class
from generated.core.loading.folder import ADAPTER_FILES, FUSION_FILES, folders_below, read_config, read_tensors, write
from generated.core.loading.keys import (
    Renaming,
    WeightName,
    is_pool_duplicate,
    match_names,
    parse_name,
    readings,
    usual_name,
)
from generated.core.loading.leaving_out import config_without, tensors_without
from generated.core.loading.legacy import modernize
from generated.core.loading.placement import (
    layer_paths,
    projections_of,
    renaming,
    stored_places,
    with_true_matrices,
    with_true_roles,
)
from generated.core.loading.places import PLACES, moved_paths, places_of, read_places
from generated.core.loading.stored_form import from_file, to_file
from generated.core.methods.prefix_tuning import adds_position_bias
from generated.core.version import VERSION
from generated.core.widths import model_width


logger = logging.get_logger(__name__)


@dataclass(frozen=True)
class StoredAdapter:
    """
    An adapter as read from a folder.

    Args:
        version: of the library that wrote it.
        places: path → place of what its tensors hang on, if the file says so.
    """

    path: Path
    version: str
    name: str
    config: AdapterConfig
    tensors: Mapping[str, Tensor]
    places: Mapping[str, str] = field(default_factory=dict)


def save_adapter(
    model: nn.Module,
    directory: str | PathLike,
    name: str,
    meta: Mapping[str, Any] | None = None,
    *,
    use_safetensors: bool = True,
) -> None:
    """Write an adapter of `model` (a base model, or one with a head) to a folder."""
    description = describe(model, model.adapters_config[name].to_dict(), name)
    with at_hand(parts_of(model.adapted_base, name)):
        tensors = lifecycle.adapter_tensors(model.adapted_base, name)
        prefix = key_prefix(model)
        places = places_of(model.adapted_base, tensors, name, prefix)
        named = {prefix + usual_name(key, name): to_file(key, tensor) for key, tensor in tensors.items()}
        config = {**(meta or {}), **description, PLACES: places}
        write(model, directory, ADAPTER_FILES, config, named, use_safetensors=use_safetensors)


def read_adapter(
    model: nn.Module, directory: str | PathLike, leave_out: Collection[int] | None, *, allow_pickle: bool
) -> StoredAdapter:
    """
    Read an adapter for `model` from a folder.

    Raises:
        AdapterFileError: the folder cannot be read, or holds an adapter of another architecture.
    """
    description = modernize(read_config(directory, ADAPTER_FILES))
    path, tensors = read_tensors(directory, ADAPTER_FILES, allow_pickle=allow_pickle)
    name, config = description.get("name"), description.get("config")
    if not isinstance(name, str) or not isinstance(config, dict):
        raise AdapterFileError(f"{Path(directory) / ADAPTER_FILES.config} lacks `name` or `config`")
    made_for, own = description.get("model_type", model.config.model_type), model.config.model_type
    if made_for != own:
        raise AdapterFileError(f"{directory} holds an adapter for {made_for}, this model is a {own}")
    parsed, left_out = config_from_dict(config), leave_out or ()
    tensors = tensors_without(model.adapted_base, parsed, tensors, name, left_out)
    parsed = config_without(parsed, left_out)
    version, places = str(description.get("version", "")), read_places(description)
    return StoredAdapter(path, version, name, parsed, tensors, places)


def add_stored(model: nn.Module, name: str, stored: StoredAdapter, complete: Callable[[], None] | None = None) -> None:
    """
    Add an adapter with the weights of a file, in place of one of the same name.

    Args:
        complete: what else has to succeed, called when the weights are there.

    Raises:
        AdapterFileError, AdapterConfigError, UnsupportedMethodError: it does not fit `model`, which is as before.
    """
    base, folder = model.adapted_base, stored.path.parent
    if name in base.adapters_config:
        logger.warning("The adapter %r of the model is replaced by the one in %s", name, folder)
    _add_with_weights(base, name, stored, complete)
    _warn_of_shifted_positions(base, stored)


def adapter_folders(directory: str | PathLike) -> list[Path]:
    """All folders below `directory` that hold an adapter. Names of adapters may contain slashes."""
    return folders_below(directory, ADAPTER_FILES)


def fusion_folders(directory: str | PathLike) -> list[Path]:
    """All folders below `directory` that hold a mixture of adapters."""
    return folders_below(directory, FUSION_FILES)


def describe(model: nn.Module, config: Mapping[str, Any] | None, name: str | None) -> dict[str, Any]:
    """What AdapterHub's JSON files say beside the configuration itself."""
    return {
        "config": config,
        "hidden_size": model_width(model.adapted_base),
        "model_class": own_class(model).__name__,
        "model_name": model.config.name_or_path or None,
        "model_type": model.config.model_type,
        "name": name,
        "version": f"adaptergen.{VERSION}",
    }


def key_prefix(model: nn.Module) -> str:
    """What stands before the names of the base model in the state dict of `model`."""
    return "" if model.base_model is model else f"{model.base_model_prefix}."


def adapter_keys(model: nn.Module) -> frozenset[str]:
    """Names of all weights of adapters, and of mixtures of them, in the state dict of `model`."""
    prefix, base = key_prefix(model), model.adapted_base
    adapters = (lifecycle.adapter_tensors(base, name) for name in base.adapters_config)
    mixtures = (fusions.fusion_tensors(base, name) for name in base.adapters_config.fusions)
    return frozenset(prefix + key for tensors in (*adapters, *mixtures) for key in tensors)


@contextmanager
def hidden_from_checkpoint(model: nn.Module, keys: Collection[str]) -> Iterator[None]:
    """Let transformers write the model without these weights."""
    usual = model._keys_to_ignore_on_save
    model._keys_to_ignore_on_save = {*keys, *(usual or ())}
    try:
        yield
    finally:
        model._keys_to_ignore_on_save = usual


def parts_of(base: nn.Module, name: str) -> Iterator[nn.Module]:
    """All modules of an adapter."""
    return (part for _, container in lifecycle.adapter_modules(base, name) for part in container[name].modules())


def _warn_of_shifted_positions(base: nn.Module, stored: StoredAdapter) -> None:
    """AdapterHub computes relative positions for keys that include the prefix; here tokens keep their distances."""
    has_prefix = any(isinstance(part, PrefixTuningConfig) for part in stored.config.parts)
    if has_prefix and not stored.version.startswith("adaptergen.") and adds_position_bias(base):
        logger.warning(
            "The prefix in %s was trained with relative positions that its length had shifted. Here tokens keep their "
            "positions, so outputs differ from those of the library that trained it; continue its training",
            stored.path.parent,
        )


def _add_with_weights(base: nn.Module, name: str, stored: StoredAdapter, complete: Callable[[], None] | None) -> None:
    def filled() -> None:
        tensors = lifecycle.adapter_tensors(base, name)
        fill(base, name, tensors, stored.name, stored.tensors, stored.path, rename, moved)
        if complete is not None:
            complete()

    rename, moved = renaming(base), moved_paths(base, stored.places)
    names = (reading for key in stored.tensors for reading in readings(key, stored.name, rename, moved))
    places = stored_places(base, names)
    projections = projections_of(stored.config, places)
    config = with_true_matrices(with_true_roles(base, stored.config, places), stored.tensors)
    lifecycle.add_adapter(base, name, config, overwrite_ok=True, projections=projections, complete=filled)


def fill(
    base: nn.Module,
    name: str,
    targets: Mapping[str, Tensor],
    stored_name: str,
    stored: Mapping[str, Tensor],
    path: Path,
    rename: Renaming,
    moved: Mapping[str, str],
) -> None:
    """
    Copy the weights of a file into a new adapter or mixture, after checking that all of them are there and fit.

    Args:
        name: what it is called in the model.
        targets: its tensors by their names in the model.
        stored_name: what it is called in the file.
        stored: the tensors in the file.
        path: of the file, for messages.
        rename, moved: see `match_names`.

    Raises:
        AdapterFileError: something is missing or has another shape; nothing was copied.
    """
    expected = {parse_name(key, name): tensor for key, tensor in targets.items()}
    matched = match_names(stored, stored_name, expected, layer_paths(base), rename, moved)
    _refuse_unfit_tensors(path, stored, name, expected, matched)
    with torch.no_grad():
        for key, target in matched.items():
            expected[target].copy_(from_file(key, stored[key], expected[target]))


def _refuse_unfit_tensors(
    path: Path,
    stored: Mapping[str, Tensor],
    name: str,
    expected: Mapping[WeightName, Tensor],
    matched: Mapping[str, WeightName],
) -> None:
    missing = sorted(target.full(name) for target in expected.keys() - set(matched.values()))
    misshapen = [
        f"{key} is {tuple(stored[key].shape)}, the model needs {tuple(expected[target].shape)}"
        for key, target in matched.items()
        if from_file(key, stored[key], expected[target]).shape != expected[target].shape
    ]
    problems = [f"missing: {key}" for key in missing] + [f"wrong shape: {text}" for text in misshapen]
    if problems:
        raise AdapterFileError(f"{path} does not fit this model:\n  " + "\n  ".join(problems))
    unexpected = [key for key in stored if key not in matched and not is_pool_duplicate(key)]
    if unexpected:
        logger.warning("%s holds weights for which this model has no place: %s", path, ", ".join(unexpected))
