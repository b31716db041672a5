"""
The classes of what computes, under their names in adapter-transformers and in adapters.

Modules in an adapted model are instances of them; none of them is needed to use adapters.
"""

from generated.core.layers import AdapterLayer, AdapterLayerMixin, PrefixTuningShim
from generated.core.layers.lora import LoRALinearMixin
from generated.core.layers.slot import AdapterSlot


AdapterLayerBase = AdapterSlot
ComposableAdapterLayerBase = AdapterSlot
BottleneckLayer = AdapterLayerMixin
PrefixTuningLayer = PrefixTuningShim
LoRALayer = LoRALinear = LoRAMergedLinear = LoRALinearMixin

__all__ = [
    "AdapterLayer",
    "AdapterLayerBase",
    "BottleneckLayer",
    "ComposableAdapterLayerBase",
    "LoRALayer",
    "LoRALinear",
    "LoRAMergedLinear",
    "PrefixTuningLayer",
    "PrefixTuningShim",
]
