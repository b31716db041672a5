"""Where in a model do the weights of a file belong? Layers, projections, and the names they once had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor, nn
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightRenaming

from generated.core.configuration import AdapterConfig, ConfigUnion, LoRAConfig
from generated.core.configuration.lora import FEED_FORWARD_ROLES
from generated.core.layers.slot import named_places
from generated.core.loading.keys import Renaming, WeightName
from generated.core.loading.stored_form import is_diagonal, is_vera_scale
from generated.core.placed import PlacedProjection, placed_layers, placed_projections
from generated.core.sites import Projection


def stored_places(base: nn.Module, names: Iterable[WeightName]) -> tuple[PlacedProjection, ...]:
    """The projections of `base` that stored weights are for."""
    hosts = {name.host for name in names}
    return tuple(placed for placed in placed_projections(base) if placed.path in hosts)


def projections_of(config: AdapterConfig, stored: Iterable[PlacedProjection]) -> frozenset[Projection] | None:
    """
    The projections that the weights of an adapter of the LoRA family are for; `None` where the configuration tells.

    Files of AdapterHub set the flag of one projection and hold weights of another, so that flags do not tell. Where a
    union has several such parts they do, once `with_true_roles` has mended them.
    """
    if len(_lora_parts(config)) != 1:
        return None
    return frozenset(placed.projection for placed in stored)


def with_true_roles(base: nn.Module, config: AdapterConfig, stored: Sequence[PlacedProjection]) -> AdapterConfig:
    """
    `config`, saying which parts of the feed-forward block the weights are for. Of several parts of a union this can be
    told where each has layers of its own: weights do not name their part.
    """
    if not isinstance(config, ConfigUnion):
        return _with_roles_of(base, config, stored) if isinstance(config, LoRAConfig) else config
    loras = _lora_parts(config)
    if len(loras) < 2:
        return config
    own = {id(part): [placed for placed in stored if _covering(loras, placed) == [part]] for part in loras}
    return ConfigUnion(
        *(_with_roles_of(base, part, own[id(part)]) if own.get(id(part)) else part for part in config.parts)
    )


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
    return [path for path, module in named_places(base) if module in layers]


def renaming(base: nn.Module) -> Renaming:
    """transformers' own translation of module names from earlier versions."""
    renamings = [step for step in get_model_conversion_mapping(base) if isinstance(step, WeightRenaming)]

    def rename(key: str) -> str:
        for step in renamings:
            key, _ = step.rename_source_key(key)
        return key

    return rename


def _lora_parts(config: AdapterConfig) -> list[LoRAConfig]:
    return [part for part in config.parts if isinstance(part, LoRAConfig)]


def _covering(parts: Iterable[LoRAConfig], placed: PlacedProjection) -> list[LoRAConfig]:
    """The parts of a union that adapt the layer of a projection."""
    return [part for part in parts if placed.layer.index not in part.leave_out]


def _with_roles_of(base: nn.Module, config: LoRAConfig, stored: Iterable[PlacedProjection]) -> LoRAConfig:
    found = _roles(placed.projection for placed in stored).intersection(FEED_FORWARD_ROLES)
    possible = _roles(placed.projection for placed in placed_projections(base)).intersection(FEED_FORWARD_ROLES)
    return config if found == config.roles & possible else config.replace(mlp_matrices=sorted(found))


def _roles(projections: Iterable[Projection]) -> set[str]:
    return {role for projection in projections for role in projection.parts}
