"""LoRA and (IA)³: one module at each projection whose role the configuration names."""

from __future__ import annotations

from torch import nn

from generated.core.configuration import AdapterConfig, LoRAConfig
from generated.core.errors import AdapterConfigError
from generated.core.layers.lora import FusedParts, LoRALinearMixin, build_lora, features
from generated.core.layers.slot import Place
from generated.core.methods.base import AdapterMethod, Target, drawn_from, install, restore_vacant_hosts
from generated.core.sites import Projection, placed_layers, resolve
from generated.core.swap import adapt


LOCATIONS = {"gate": "intermediate_lora", "up": "intermediate_lora", "down": "output_lora"}


def add(target: Target) -> int:
    return sum(
        _add_to_projection(target, layer.index, resolve(layer.module, projection.path), projection)
        for layer in placed_layers(target.model)
        if not target.leaves_out(layer.index)
        for projection in layer.sites.projections
        if any(adapted_parts(target, projection).adapted)
    )


def adapted_parts(target: Target, projection: Projection) -> FusedParts:
    """Which parts of a projection get weights: those with the right role, or all that stored weights speak of."""
    roles = target.config.roles
    if target.projections is None:
        return FusedParts(tuple(role in roles for role in projection.parts))
    if projection not in target.projections:
        return FusedParts((False,))
    if len(projection.parts) == 1:
        return FusedParts((True,))
    return FusedParts(tuple(role in target.config.attn_matrices for role in projection.parts))


def _add_to_projection(target: Target, layer: int, linear: nn.Module | None, projection: Projection) -> int:
    if linear is None:
        return 0
    if not isinstance(linear, LoRALinearMixin):
        adapt(linear, LoRALinearMixin)
    parts = adapted_parts(target, projection)
    in_features, out_features = features(linear)
    if out_features % len(parts.adapted):
        raise AdapterConfigError(
            f"{projection.path} is said to hold {len(parts.adapted)} parts of equal width, but its output has "
            f"{out_features} channels"
        )
    with drawn_from(target.config.init_weights_seed):
        lora = build_lora(in_features, out_features, parts, _config_at(target, linear))
    location = LOCATIONS.get(projection.parts[0], "selfattn_lora")
    install(target, linear.loras, Place(layer, location), lora, linear)
    return 1


def _config_at(target: Target, linear: nn.Module) -> LoRAConfig:
    if not target.config.rank_pattern and not target.config.alpha_pattern:
        return target.config
    path = next(path for path, module in target.model.named_modules() if module is linear)
    return target.config.at(path)


def _is_wanted(config: AdapterConfig) -> bool:
    return isinstance(config, LoRAConfig)


METHOD = AdapterMethod("lora", _is_wanted, add, restore_vacant_hosts)
