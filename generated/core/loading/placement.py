"""Where in a model do the weights of a file belong? Layers, projections, and the names they once had."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightRenaming

from generated.core.configuration import AdapterConfig, LoRAConfig
from generated.core.configuration.lora import FEED_FORWARD_ROLES
from generated.core.loading.keys import Renaming, WeightName
from generated.core.sites import Projection, placed_layers, placed_projections


def projections_of(
    base: nn.Module, config: AdapterConfig, names: Iterable[WeightName]
) -> frozenset[Projection] | None:
    """
    The projections that the weights of a LoRA or (IA)³ adapter are for; `None` if `config` is of neither.

    Files of AdapterHub set the flag of one projection and hold weights of another, so that flags do not tell.
    """
    if not any(isinstance(part, LoRAConfig) for part in config.parts):
        return None
    known = _projections_by_path(base)
    return frozenset(known[name.host] for name in names if name.host in known)


def with_true_roles(
    base: nn.Module, config: AdapterConfig, projections: frozenset[Projection] | None
) -> AdapterConfig:
    """`config`, saying which parts of the feed-forward block the weights are for."""
    if projections is None or not isinstance(config, LoRAConfig):
        return config
    stored = _roles(projections).intersection(FEED_FORWARD_ROLES)
    possible = _roles(_projections_by_path(base).values()).intersection(FEED_FORWARD_ROLES)
    return config if stored == config.roles & possible else config.replace(mlp_matrices=sorted(stored))


def layer_paths(base: nn.Module) -> list[str]:
    layers = {layer.module for layer in placed_layers(base)}
    return [path for path, module in base.named_modules() if module in layers]


def renaming(base: nn.Module) -> Renaming:
    """transformers' own translation of module names from earlier versions."""
    renamings = [step for step in get_model_conversion_mapping(base) if isinstance(step, WeightRenaming)]

    def rename(key: str) -> str:
        for step in renamings:
            key, _ = step.rename_source_key(key)
        return key

    return rename


def _roles(projections: Iterable[Projection]) -> set[str]:
    return {role for projection in projections for role in projection.parts}


def _projections_by_path(base: nn.Module) -> dict[str, Projection]:
    return {placed.path: placed.projection for placed in placed_projections(base)}
