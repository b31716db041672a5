"""Which adapters are inside the weights of a whole model?

adapter-transformers and adapters wrote checkpoints of which `config.json` lists adapters, mixtures and heads, and the
weights hold them all:

    "adapters": {"adapters": {"task": "9076f36a"}, "config_map": {"9076f36a": {…}}, "fusions": {"a,b": "dynamic"}, …}
    "prediction_heads": {"task": {"head_type": "classification", …}}

Their first versions told the adapters of tasks from those of languages ("task": ["text_task", "9076f36a"]), and listed
mixtures apart ("adapter_fusion_models": ["a,b"], "adapter_fusion": {…}).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers.utils import logging

from generated.core import fusions
from generated.core.composition import Fuse
from generated.core.configuration import AdapterConfig, AdapterFusionConfig
from generated.core.errors import AdapterError, AdapterFileError
from generated.core.loading.adapters import StoredAdapter, add_stored, fill
from generated.core.loading.folder import read_json, read_some
from generated.core.loading.keys import CONTAINERS, LEGACY_CONTAINERS, parse_name
from generated.core.loading.legacy import modernize
from generated.core.loading.placement import renaming


logger = logging.get_logger(__name__)

KEYS = ("adapters", "adapter_fusion_models", "adapter_fusion", "prediction_heads", "custom_heads")
PATTERNS = [rf"\.{container}\." for container in (*CONTAINERS, *LEGACY_CONTAINERS)] + [r"^heads\."]
CONFIG, WEIGHTS, PICKLE = "config.json", "model.safetensors", "pytorch_model.bin"


@dataclass(frozen=True)
class Inside:
    """
    What the configuration of a checkpoint lists.

    Args:
        adapters: configuration of each adapter.
        mixtures: for each mixture, what it mixes and how.
        heads: configuration of each flexible head.
    """

    adapters: Mapping[str, Any] = field(default_factory=dict)
    mixtures: Mapping[str, tuple[tuple[str, ...], Any]] = field(default_factory=dict)
    heads: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.adapters or self.heads)


def listed_in(config: Mapping[str, Any]) -> Inside:
    """
    What the content of a `config.json` lists.

    Raises:
        AdapterFileError: it is in no form that is known.
    """
    try:
        listed = config.get("adapters") or {}
        names = listed.get("adapters", {}).items()
        adapters = {name: _adapter(entry, listed.get("config_map", {})) for name, entry in names}
        return Inside(adapters, dict(_mixtures(config, listed)), dict(config.get("prediction_heads") or {}))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AdapterFileError(f"the list of adapters in the model's configuration is damaged: {error!r}") from error


def read_inside(files: Iterable[str | PathLike] | None, state_dict: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
    """The tensors of adapters, mixtures and heads among the weights of a model."""
    found = dict(state_dict or {})
    for file in files or ():
        found |= read_some(Path(file), _is_added)
    return {name: tensor for name, tensor in found.items() if _is_added(name)}


def inside_of_folder(directory: str | PathLike, *, allow_pickle: bool) -> tuple[Inside, dict[str, Tensor]] | None:
    """
    What the checkpoint in a folder has inside; `None` if it is none, or has nothing.

    Raises:
        AdapterFileError: it is damaged, or a pickle, and these are not allowed.
    """
    folder = Path(directory)
    if not (folder / CONFIG).is_file():
        return None
    inside = listed_in(read_json(folder / CONFIG))
    if not inside:
        return None
    files = _weight_files(folder)
    if not allow_pickle and files[0].suffix != ".safetensors":
        raise AdapterFileError(f"{files[0]} is a pickle, which is not read unasked; pass allow_pickle=True")
    return inside, read_inside(files, None)


def add_inside(model: nn.Module, inside: Inside, tensors: Mapping[str, Tensor], source: Path) -> list[str]:
    """Add adapters and mixtures; what does not fit is left behind with a warning. The names of the adapters."""
    added = []
    for name, config in inside.adapters.items():
        own = {key: tensor for key, tensor in tensors.items() if parse_name(key, name) is not None}
        try:
            add_stored(model, name, StoredAdapter(source, "", name, AdapterConfig.load(config), own))
            added.append(name)
        except AdapterError as error:
            logger.warning("The adapter %r inside of %s is left behind: %s", name, source, error)
    for name, (mixed, config) in inside.mixtures.items():
        _add_mixture(model.adapted_base, name, mixed, config, tensors, source)
    return added


def forget_list(config: PreTrainedConfig) -> None:
    """Adapters get folders of their own when the model is saved, and are listed no more."""
    for key in KEYS:
        config.__dict__.pop(key, None)


def _add_mixture(
    base: nn.Module, name: str, mixed: tuple[str, ...], config: Any, tensors: Mapping[str, Tensor], source: Path
) -> None:
    own = {key: tensor for key, tensor in tensors.items() if parse_name(key, name) is not None}
    try:
        fusions.add_fusion(base, Fuse(*mixed, name=name), AdapterFusionConfig.load(config), overwrite_ok=True)
        fill(base, name, fusions.fusion_tensors(base, name), name, own, source, renaming(base), {})
    except AdapterError as error:
        if name in base.adapters_config.fusions:
            fusions.delete_fusion(base, name)
        logger.warning("The mixture %r inside of %s is left behind: %s", name, source, error)


def _adapter(entry: str | list[str | None] | Mapping[str, Any], configs: Mapping[str, Any]) -> Any:
    if isinstance(entry, Mapping):
        return dict(entry)
    kind, identifier = entry if isinstance(entry, list | tuple) else (None, entry)
    config = configs.get(identifier, identifier) if identifier is not None else configs[kind]
    if not isinstance(config, Mapping):
        return config
    # A kind was written by versions that wrote no number of theirs beside a configuration.
    description = {"config": dict(config)} | ({"type": kind} if kind else {"version": "unknown"})
    return modernize(description)["config"]


def _mixtures(config: Mapping[str, Any], listed: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    configs, names = listed.get("fusion_config_map", {}), listed.get("fusion_name_map", {})
    for name, identifier in (listed.get("fusions") or {}).items():
        yield name, (tuple(names.get(name) or name.split(",")), configs.get(identifier, identifier))
    for name in config.get("adapter_fusion_models") or ():
        yield name, (tuple(name.split(",")), config.get("adapter_fusion") or "dynamic")


def _is_added(name: str) -> bool:
    segments = name.split(".")
    return segments[0] == "heads" or any(segment in CONTAINERS or segment in LEGACY_CONTAINERS for segment in segments)


def _weight_files(folder: Path) -> list[Path]:
    for name in (WEIGHTS, PICKLE):
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            return [folder / Path(shard).name for shard in sorted(shards)]
    raise AdapterFileError(f"{folder} holds neither {WEIGHTS} nor {PICKLE}")
