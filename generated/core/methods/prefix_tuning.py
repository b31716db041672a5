"""Prefix tuning: one module per location in the model's pool, one reference to it in each attention."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from generated.core.configuration import AdapterConfig, ConfigUnion, PrefixTuningConfig
from generated.core.errors import AdapterError
from generated.core.fused import fused_parts
from generated.core.integrations import adapt_site
from generated.core.layers.linear import Gate, init_bert_weights
from generated.core.layers.lora import features
from generated.core.layers.offloading import at_hand
from generated.core.layers.prefix_tuning import PrefixTuningShim
from generated.core.layers.prefix_weights import (
    FlatPrefixTuning,
    LayerPrefix,
    PrefixShape,
    PrefixTuning,
    PrefixTuningPool,
)
from generated.core.layers.slot import Place, iter_slots
from generated.core.methods.base import (
    AdapterMethod,
    Target,
    drawn_from,
    install,
    mark_initialized,
    restore_vacant_hosts,
)
from generated.core.placed import PlacedLayer, PlacedProjection, attention_modules, placed_layers, unwrapped
from generated.core.sites import AttentionSite, resolve
from generated.core.swap import refuse_instance_forward
from generated.core.towers import tower_names
from generated.core.widths import model_width


@dataclass(frozen=True)
class PrefixSite:
    """One attention that gets a prefix."""

    layer: int
    location: str
    attention: nn.Module
    shape: PrefixShape
    hidden_dim: int

    @property
    def shim(self) -> PrefixTuningShim:
        return self.attention.prefix_tuning


def add(target: Target) -> int:
    by_location = defaultdict(list)
    for site in _find_sites(target):
        by_location[site.location].append(site)
    group = nn.ModuleDict({location: _build(target, sites) for location, sites in by_location.items()})
    if group:
        install(target, _pool(target.model).prefix_tunings, Place(-1, "prefix"), group, target.model)
    for location, sites in by_location.items():
        for index, site in enumerate(sites):
            site.shim.prefixes[target.name] = LayerPrefix(group[location], index)
            _add_gate(target, site)
    return sum(map(len, by_location.values()))


def tidy(model: nn.Module) -> None:
    restore_vacant_hosts(model)
    pool = getattr(model, "prefix_tuning", None)
    if isinstance(pool, PrefixTuningPool) and not pool.prefix_tunings:
        del model.prefix_tuning


def eject(model: nn.Module, name: str) -> None:
    """
    Replace the networks that make the prefixes of an adapter by the prefixes themselves.

    Raises:
        UnknownAdapterError: there is no such adapter.
        AdapterError: it has no such networks.
    """
    config = model.adapters_config[name]
    parts = [_ejected(part) for part in config.parts]
    if parts == list(config.parts):
        raise AdapterError(f"the adapter {name!r} has no prefixes that a network makes, so there is nothing to eject")
    group = model.prefix_tuning.prefix_tunings[name]
    with at_hand(group.modules()):
        flat = {prefix: prefix.flatten() for prefix in group.values()}
    for location, prefix in list(group.items()):
        mark_initialized(flat[prefix])
        group[location] = flat[prefix]
    for slot in iter_slots(model):
        if isinstance(slot, PrefixTuningShim) and name in slot.prefixes:
            own = slot.prefixes[name]
            slot.prefixes[name] = own._replace(source=flat[own.source])
    model.adapters_config.adapters[name] = parts[0] if len(parts) == 1 else ConfigUnion(*parts)


def _ejected(config: AdapterConfig) -> AdapterConfig:
    return config.replace(flat=True) if isinstance(config, PrefixTuningConfig) else config


def adds_position_bias(model: nn.Module) -> bool:
    """Does an attention with prefixes add a bias for relative positions to its scores?"""
    owners = (module for module in model.modules() if hasattr(module, "prefix_tuning"))
    hosts = (module for module in owners if isinstance(module.prefix_tuning, PrefixTuningShim))
    return any("extend_bias" in inspect.unwrap(type(host).forward).__code__.co_names for host in hosts)


def prefix_location(layer: PlacedLayer, site: AttentionSite) -> str:
    """The name under which the prefix of an attention is stored, behind that of its tower where there are several."""
    kinds = {stack.kind for stack in layer.part.declared.adapter_stacks}
    if site.kind == "cross":
        return "cross_prefix"
    return "encoder_prefix" if layer.stack.kind == "encoder" and len(kinds) > 1 else "self_prefix"


def layers_with_prefix(model: nn.Module, config: PrefixTuningConfig) -> dict[str, list[int]]:
    """For each location the numbers of the layers that have a prefix there, in the order of their prefixes."""
    layers = defaultdict(list)
    for layer, _, location, _ in _wanted_sites(model, config):
        layers[location].append(layer.index)
    return layers


def _find_sites(target: Target) -> Iterator[PrefixSite]:
    for layer, site, location, attention in _wanted_sites(target.model, target.config):
        refuse_instance_forward(resolve(layer.module, site.keys))  # it may make the keys of some heads only
        adapt_site(layer.part.package, attention)
        shim = attention.prefix_tuning
        shape = PrefixShape(shim.heads or _key_heads(layer, site, shim.head_dim), shim.head_dim, shim.value_dim)
        yield PrefixSite(layer.index, location, attention, shape, _hidden_dim(target.model, layer, site, shim))


def _wanted_sites(
    model: nn.Module, config: PrefixTuningConfig
) -> Iterator[tuple[PlacedLayer, AttentionSite, str, nn.Module]]:
    names = tower_names(model)
    for layer in placed_layers(model):
        for site, attention in () if layer.index in config.leave_out else attention_modules(layer):
            location = prefix_location(layer, site)
            if config.get(location, True):
                yield layer, site, "_".join(filter(None, (names[layer.placed.tower], location))), attention


def _key_heads(layer: PlacedLayer, site: AttentionSite, head_dim: int) -> int:
    """Number of key heads: width of the keys over width of a key. Grouped queries share keys."""
    _, out_features = features(resolve(layer.module, site.keys))
    projection = next((projection for projection in layer.sites.projections if projection.path == site.keys), None)
    if projection is None or "k" not in projection.parts:
        return out_features // head_dim
    placed = PlacedProjection(site.keys, layer, projection, unwrapped(resolve(layer.module, site.keys)))
    return fused_parts(placed, tuple(role == "k" for role in projection.parts)).rows(out_features) // head_dim


def _hidden_dim(model: nn.Module, layer: PlacedLayer, site: AttentionSite, shim: PrefixTuningShim) -> int:
    """Width of the input of an attention. Self-attention makes its keys from it."""
    if shim.hidden_dim is not None:
        return shim.hidden_dim
    keys = resolve(layer.module, site.keys) if site.kind == "self" and site.keys else None
    return model_width(model) if keys is None else features(keys)[0]


def _build(target: Target, sites: list[PrefixSite]) -> nn.Module:
    shapes = tuple(site.shape for site in sites)
    config: PrefixTuningConfig = target.config
    with drawn_from(config.init_weights_seed):
        if config.flat:
            return FlatPrefixTuning(shapes, config.prefix_length, config.dropout)
        return PrefixTuning(shapes, model_width(target.model), config)


def _add_gate(target: Target, site: PrefixSite) -> None:
    config: PrefixTuningConfig = target.config
    site.shim.prefix_gates.place = Place(site.layer, site.location)
    if config.use_gating:
        with drawn_from(config.init_weights_seed):
            gate = Gate(site.hidden_dim, 1 if config.shared_gating else 2)
            init_bert_weights(gate)
        install(target, site.shim.prefix_gates, Place(site.layer, site.location), gate, site.attention)


def _pool(model: nn.Module) -> PrefixTuningPool:
    if not hasattr(model, "prefix_tuning"):
        model.prefix_tuning = PrefixTuningPool()
    return model.prefix_tuning


def _is_wanted(config: AdapterConfig) -> bool:
    return isinstance(config, PrefixTuningConfig)


METHOD = AdapterMethod("prefix_tuning", _is_wanted, add, tidy)
