"""Bottleneck adapters and Compacter: one module at each residual addition that the configuration switches on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from generated.core.configuration import AdapterConfig, BnConfig
from generated.core.errors import AdapterConfigError
from generated.core.integrations import adapt_site
from generated.core.layers.adapter_layer import AdapterLayerMixin
from generated.core.layers.bottleneck import BottleneckAdapter
from generated.core.layers.phm import SharedPHM
from generated.core.layers.slot import Place
from generated.core.methods.base import (
    AdapterMethod,
    Target,
    drawn_from,
    install,
    install_shared,
    restore_vacant_hosts,
)
from generated.core.placed import PlacedLayer, placed_layers
from generated.core.sites import BottleneckSite, resolve
from generated.core.widths import layer_width


def add(target: Target) -> int:
    layers = [layer for layer in placed_layers(target.model) if not target.leaves_out(layer.index)]
    shared = _add_shared(target, layers)
    return sum(
        _add_to_site(target, layer, site, shared)
        for layer in layers
        for site in layer.sites.bottleneck
        if target.config[site.location]
    )


def bottleneck_width(hidden_size: int, factor: float | Mapping[str, float], layer: int) -> int:
    """
    Width of the bottleneck in a layer: hidden size over reduction factor, at least 1.

    Raises:
        AdapterConfigError: a mapping of factors has no entry for this layer and no default.
    """
    if isinstance(factor, Mapping):
        if str(layer) not in factor and "default" not in factor:
            raise AdapterConfigError(
                f"reduction_factor has no value for layer {layer} and no 'default': {dict(factor)}; add one of them"
            )
        factor = factor.get(str(layer), factor.get("default"))
    return max(int(hidden_size // factor), 1)


def _add_to_site(target: Target, layer: PlacedLayer, site: BottleneckSite, shared: nn.Module | None) -> int:
    host = resolve(layer.module, site.host, of=site.of)
    if host is None or resolve(layer.module, site.needs) is None:
        return 0
    adapt_site(layer.part.package, host)
    slot: AdapterLayerMixin = getattr(host, site.slot) if site.slot else host
    hidden_size = layer_width(target.model, layer, site.host)
    width = bottleneck_width(hidden_size, target.config.reduction_factor, layer.index)
    with drawn_from(target.config.init_weights_seed):
        adapter = BottleneckAdapter(hidden_size, width, target.config, shared)
    install(target, slot.adapters, Place(layer.index, site.location), adapter, host)
    return 1


def _add_shared(target: Target, layers: Sequence[PlacedLayer]) -> SharedPHM | None:
    """The matrices that all hypercomplex projections share hang on the model itself."""
    config: BnConfig = target.config
    if not config.phm_layer or not (config.shared_phm_rule or config.shared_W_phm):
        return None
    if config.shared_W_phm and isinstance(config.reduction_factor, Mapping):
        raise AdapterConfigError("shared_W_phm needs one reduction_factor for all layers, not a mapping")
    widths = {layer_width(target.model, layer) for layer in layers}
    if config.shared_W_phm and len(widths) > 1:
        raise AdapterConfigError(
            f"shared_W_phm needs layers of one width, but those of {type(target.model).__name__} are "
            f"{', '.join(map(str, sorted(widths)))} wide"
        )
    hidden_size = max(widths, default=0)
    width = (
        0
        if isinstance(config.reduction_factor, Mapping)
        else bottleneck_width(hidden_size, config.reduction_factor, 0)
    )
    with drawn_from(config.init_weights_seed):
        shared = SharedPHM(hidden_size, width, config)
    install_shared(target, shared)
    return shared


def _is_wanted(config: AdapterConfig) -> bool:
    return isinstance(config, BnConfig) and (config.mh_adapter or config.cross_adapter or config.output_adapter)


METHOD = AdapterMethod("bottleneck", _is_wanted, add, restore_vacant_hosts)
