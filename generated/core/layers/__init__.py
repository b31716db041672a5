"""What adapters compute. One method per file; `slot` holds what all places for adapters share."""

from generated.core.layers.adapter_layer import AdapterLayer, AdapterLayerMixin
from generated.core.layers.prefix_tuning import PrefixTuningShim
from generated.core.layers.slot import AdapterHostMixin


__all__ = ["AdapterHostMixin", "AdapterLayer", "AdapterLayerMixin", "PrefixTuningShim"]
