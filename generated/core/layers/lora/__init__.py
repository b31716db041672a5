"""LoRA and its relatives, adapters of linear maps: `projection` knows the map, `linear` is where adapters act."""

from __future__ import annotations

from torch import nn

from generated.core.configuration import LoRAConfig, MTLLoRAConfig
from generated.core.errors import AdapterConfigError
from generated.core.layers.lora.change import LowRankChange
from generated.core.layers.lora.linear import LoRALinearMixin
from generated.core.layers.lora.low_rank import LowRank, MultiTaskLowRank
from generated.core.layers.lora.projection import (
    FusedParts,
    bias_of,
    features,
    is_of_learning_type,
    knows_its_widths,
    stores_matrix,
)
from generated.core.layers.lora.quantised import asked_matrix, can_learn, is_quantised
from generated.core.layers.lora.rescaling import InputRescaling, Rescaling
from generated.core.layers.lora.vera import SharedVera, Vera


def build_lora(
    linear: nn.Module,
    parts: FusedParts,
    config: LoRAConfig,
    shared: SharedVera | None = None,
    scales_input: bool = False,
) -> LowRankChange | Rescaling | InputRescaling:
    """
    The adapter module for one projection.

    Args:
        shared: the matrices that all projections use, for VeRA.
        scales_input: (IA)³ on the input of the projection.

    Raises:
        AdapterConfigError: the configuration asks for a variant that is not known.
    """
    in_features, out_features = features(linear)
    if scales_input:
        return InputRescaling(in_features, config)
    if config.composition_mode == "scale":
        return Rescaling(in_features, out_features, parts, config)
    if config.composition_mode != "add":
        raise AdapterConfigError(f"unknown composition_mode {config.composition_mode!r}; known: add, scale")
    if isinstance(config, MTLLoRAConfig):
        return MultiTaskLowRank(in_features, out_features, parts, config)
    if config.is_vera:
        return Vera(in_features, out_features, parts, config, shared)
    return LowRank(in_features, out_features, parts, config)


__all__ = [
    "FusedParts",
    "InputRescaling",
    "LoRALinearMixin",
    "LowRank",
    "LowRankChange",
    "MultiTaskLowRank",
    "Rescaling",
    "SharedVera",
    "Vera",
    "asked_matrix",
    "bias_of",
    "build_lora",
    "can_learn",
    "features",
    "is_of_learning_type",
    "is_quantised",
    "knows_its_widths",
    "stores_matrix",
]
