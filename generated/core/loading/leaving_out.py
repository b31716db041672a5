"""How is an adapter loaded without some of its layers?

Most weights belong to one layer. The prefixes of all layers are rows of one tensor, of which the others are kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import torch
from torch import Tensor, nn

from generated.core.configuration import AdapterConfig, ConfigUnion, PrefixTuningConfig
from generated.core.loading.keys import parse_name
from generated.core.methods.prefix_tuning import layers_with_prefix


OF_ALL_LAYERS = ("control_trans", "control_trans.2.weight", "control_trans.2.bias")


def config_without(config: AdapterConfig, layers: Collection[int]) -> AdapterConfig:
    """`config`, and all parts of it, leaving out these layers, too."""
    if isinstance(config, ConfigUnion):
        return ConfigUnion(*(config_without(part, layers) for part in config.parts))
    return config.replace(leave_out=sorted({*layers, *config.leave_out})) if layers else config


def tensors_without(
    base: nn.Module, config: AdapterConfig, tensors: Mapping[str, Tensor], name: str, layers: Collection[int]
) -> dict[str, Tensor]:
    """
    The tensors of an adapter without the rows that are for these layers.

    Args:
        base: the base model.
        config: of the adapter in the file.
        tensors: as in the file.
        name: of the adapter in the file.
    """
    prefixes = [part for part in config.parts if isinstance(part, PrefixTuningConfig)]
    if not layers or not prefixes:
        return dict(tensors)
    kept = {
        location: [index not in layers for index in indices]
        for location, indices in layers_with_prefix(base, prefixes[0]).items()
    }
    return dict(_rows(tensors, name, kept, prefixes[0]))


def _rows(
    tensors: Mapping[str, Tensor], name: str, kept: Mapping[str, list[bool]], config: PrefixTuningConfig
) -> Iterator[tuple[str, Tensor]]:
    positions = config.prefix_length if config.flat else 1
    for key, tensor in tensors.items():
        parsed = parse_name(key, name)
        location, _, rest = parsed.rest.partition(".") if parsed is not None else ("", "", "")
        if location not in kept or rest not in OF_ALL_LAYERS:
            yield key, tensor
        elif any(kept[location]):
            yield key, _of_layers(tensor, torch.tensor(kept[location]), positions)


def _of_layers(tensor: Tensor, kept: Tensor, positions: int) -> Tensor:
    """Of (positions · layers · numbers, …) the kept layers; as it is where the file has another number of layers."""
    if len(tensor) % (positions * len(kept)):
        return tensor
    return tensor.unflatten(0, (positions, len(kept), -1))[:, kept].flatten(0, 2)
