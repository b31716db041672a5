"""Where in a model do the weights of a file belong? Layers, projections, and the names they once had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor, nn
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightRenaming

from generated.core.configuration import AdapterConfig, ConfigUnion, LoRAConfig
from generated.core.configuration.lora import FEED_FORWARD_ROLES
from generated.core.loading.keys import Renaming, WeightName
from generated.core.loading.stored_form import is_diagonal, is_vera_scale
from generated.core.sites import Projection, placed_layers, placed_projections


def projections_of(
    base: nn.Module, config: AdapterConfig, names: Iterable[WeightName]
) -> frozenset[Projection] | None:
    """
    The projections that the weights of a LoRA or (IA)³ adapter are for; `None` where the configuration tells.

    Files of AdapterHub set the flag of one projection and hold weights of another, so that flags do not tell. Several
    such parts of a union share the places between them as their flags say: weights do not name their part.
    """
    if sum(isinstance(part, LoRAConfig) for part in config.parts) != 1:
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


def with_true_matrices(config: AdapterConfig, tensors: Mapping[str, Tensor]) -> AdapterConfig:
    """`config`, saying whether VeRA of these weights learned more than diagonals."""
    if isinstance(config, ConfigUnion):
        return ConfigUnion(*(with_true_matrices(part, tensors) for part in config.parts))
    if not isinstance(config, LoRAConfig) or not config.is_vera or config.vera_full:
        return config
    is_full = any(is_vera_scale(key) and not is_diagonal(tensor) for key, tensor in tensors.items())
    return config.replace(vera_full=True) if is_full else config


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
