"""How does a mixture of adapters (AdapterFusion) get to disk and back? Loading is all or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from os import PathLike
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from generated.core import fusions, lifecycle
from generated.core.composition import Fuse
from generated.core.configuration import AdapterFusionConfig
from generated.core.errors import AdapterFileError
from generated.core.layers.offloading import at_hand
from generated.core.loading.adapters import describe, fill, key_prefix
from generated.core.loading.folder import FUSION_FILES, read_config, read_tensors, write
from generated.core.loading.placement import renaming
from generated.core.loading.places import PLACES, moved_paths, places_of, read_places


def save_fusion(
    model: nn.Module,
    directory: str | PathLike,
    name: str,
    meta: Mapping[str, Any] | None = None,
    *,
    use_safetensors: bool = True,
) -> None:
    """Write a fusion of `model` (a base model, or one with a head) to a folder."""
    fusion = model.adapters_config.fusions[name]
    description = describe(model, fusion.config.to_dict(), name) | {"adapter_names": list(fusion.adapters)}
    parts = (part for mixture in fusions.fusion_modules(model.adapted_base, name) for part in mixture.modules())
    with at_hand(parts):
        tensors = fusions.fusion_tensors(model.adapted_base, name)
        prefix = key_prefix(model)
        places = places_of(model.adapted_base, tensors, name, prefix)
        named = {prefix + key: tensor for key, tensor in tensors.items()}
        stored = {**(meta or {}), **description, PLACES: places}
        write(model, directory, FUSION_FILES, stored, named, use_safetensors=use_safetensors)


def load_fusion(model: nn.Module, directory: str | PathLike, load_as: str | None, *, allow_pickle: bool) -> str:
    """
    Add a fusion from a folder; its name in the model. The adapters that it mixes must be there.

    Raises:
        AdapterFileError: the folder cannot be read, or does not fit.
        UnknownAdapterError: the model lacks one of the adapters.
    """
    description = read_config(directory, FUSION_FILES)
    path, tensors = read_tensors(directory, FUSION_FILES, allow_pickle=allow_pickle)
    stored_name, config = description.get("name"), description.get("config")
    if not isinstance(stored_name, str) or not isinstance(config, dict | str):
        raise AdapterFileError(f"{Path(directory) / FUSION_FILES.config} lacks `name` or `config`")
    # Before adapters 1.0 the name alone said what is mixed.
    adapters = description.get("adapter_names") or stored_name.split(",")
    base, name = model.adapted_base, load_as or stored_name
    parsed, moved = AdapterFusionConfig.load(config), moved_paths(base, read_places(description))
    taken = base.adapters_config.fusions
    if name in taken:
        rehearsal = next(other for other in map(f"{name}__{{}}".format, count()) if other not in taken)
        _add_filled(base, Fuse(*adapters, name=rehearsal), parsed, stored_name, tensors, path, moved)
        lifecycle.remove_fusion(base, rehearsal)
    _add_filled(base, Fuse(*adapters, name=name), parsed, stored_name, tensors, path, moved)
    return name


def _add_filled(
    base: nn.Module,
    fuse: Fuse,
    config: AdapterFusionConfig,
    stored_name: str,
    tensors: Mapping[str, Tensor],
    path: Path,
    moved: Mapping[str, str],
) -> None:
    fusions.add_fusion(base, fuse, config, overwrite_ok=True)
    try:
        own = fusions.fusion_tensors(base, fuse.name)
        fill(base, fuse.name, own, stored_name, tensors, path, renaming(base), moved)
    except BaseException:
        lifecycle.remove_fusion(base, fuse.name)
        raise
