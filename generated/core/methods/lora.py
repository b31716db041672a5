"""LoRA and its relatives: one module at each projection whose role the configuration names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from generated.core.configuration import AdapterConfig, LoRAConfig
from generated.core.errors import AdapterConfigError
from generated.core.fused import fused_parts
from generated.core.layers.lora import (
    FusedParts,
    LoRALinearMixin,
    LowRankChange,
    SharedVera,
    build_lora,
    features,
)
from generated.core.layers.offloading import weights_at_hand
from generated.core.layers.slot import Place
from generated.core.methods.base import (
    AdapterMethod,
    Target,
    drawn_from,
    install,
    install_shared,
    restore_vacant_hosts,
    weight_placement,
)
from generated.core.placed import PlacedProjection, placed_projections
from generated.core.sites import Projection
from generated.core.swap import adapt


LOCATIONS = {"gate": "intermediate_lora", "up": "intermediate_lora", "down": "output_lora"}


@dataclass(frozen=True)
class Adapted:
    """A projection that gets an adapter: in which parts, and of which configuration."""

    placed: PlacedProjection
    parts: FusedParts
    config: LoRAConfig

    @property
    def width(self) -> int:
        """Of one part of the output."""
        return self.parts.width(features(self.placed.module)[1])

    @property
    def scales_input(self) -> bool:
        return not set(self.placed.projection.parts).isdisjoint(self.config.scaled_inputs or ())


def add(target: Target) -> int:
    adapted = list(_adapted_projections(target))
    shared = _add_shared(target, adapted)
    for one in adapted:
        _add_to_projection(target, one, shared)
    return len(adapted)


def projections_with(model: nn.Module, name: str) -> frozenset[Projection]:
    """The projections at which an adapter of `model` sits."""
    placed = placed_projections(model)
    return frozenset(place.projection for place in placed if name in getattr(place.module, "loras", ()))


def _adapted_projections(target: Target) -> Iterator[Adapted]:
    for placed in placed_projections(target.model):
        adapted = _adapted_parts(target, placed.projection)
        if not target.leaves_out(placed.layer.index) and any(adapted):
            yield Adapted(placed, fused_parts(placed, adapted), target.config.at(placed.path))


def _adapted_parts(target: Target, projection: Projection) -> tuple[bool, ...]:
    """Which parts of a projection get weights: those with the right role, or all that stored weights speak of."""
    roles = target.config.roles
    if target.projections is None:
        return tuple(role in roles for role in projection.parts)
    if projection not in target.projections:
        return (False,)
    if len(projection.parts) == 1:
        return (True,)
    return tuple(role in target.config.attn_matrices for role in projection.parts)


def _add_shared(target: Target, adapted: list[Adapted]) -> SharedVera | None:
    """The matrices of VeRA are as wide as the widest projection, and hang on the model itself."""
    if not target.config.is_vera or not adapted:
        return None
    in_features = max(features(one.placed.module)[0] for one in adapted)
    with drawn_from(target.config.init_weights_seed):
        shared = SharedVera(in_features, max(one.width for one in adapted), target.config)
    install_shared(target, shared)
    return shared


def _add_to_projection(target: Target, adapted: Adapted, shared: SharedVera | None) -> None:
    linear, layer = adapted.placed.module, adapted.placed.layer.index
    if not isinstance(linear, LoRALinearMixin):
        adapt(linear, LoRALinearMixin)
    with drawn_from(target.config.init_weights_seed):
        lora = build_lora(linear, adapted.parts, adapted.config, shared, adapted.scales_input)
    if target.config.use_dora:
        _measure(target, linear, lora)
    location = LOCATIONS.get(adapted.placed.projection.parts[0], "selfattn_lora")
    install(target, linear.loras, Place(layer, location), lora, linear)


def _measure(target: Target, linear: LoRALinearMixin, lora: LowRankChange) -> None:
    """Start DoRA with the lengths of the rows of the weight."""
    if linear.merged is not None:
        raise AdapterConfigError(
            f"DoRA starts from the weights of the model, but the adapter {linear.merged.name!r} is merged into them; "
            "call `reset_adapter()` first"
        )
    with weights_at_hand(linear), torch.no_grad():
        device, dtype = weight_placement(linear, target.model)
        lora.measure(linear.matrix(torch.empty(0, device=device, dtype=dtype)))


def _is_wanted(config: AdapterConfig) -> bool:
    return isinstance(config, LoRAConfig)


METHOD = AdapterMethod("lora", _is_wanted, add, restore_vacant_hosts)
