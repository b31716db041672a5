"""ReFT: a slot in each layer, reached through a hook on the layer."""

from __future__ import annotations

from torch import nn

from generated.core.configuration import AdapterConfig, ReftConfig
from generated.core.layers.positions import SequenceOfStack
from generated.core.layers.reft import ReftLayer, ReftModule
from generated.core.layers.slot import Place
from generated.core.methods.base import AdapterMethod, Target, drawn_from, install
from generated.core.methods.hooks import remove_hooks
from generated.core.placed import PlacedLayer, placed_layers
from generated.core.towers import sequences
from generated.core.widths import layer_width


def add(target: Target) -> int:
    layers = (layer for layer in placed_layers(target.model) if not layer.stack.packed)
    chosen = [layer for layer in layers if target.config.changes(layer.index)]
    seen = sequences(target.model)
    for layer in chosen:
        with drawn_from(target.config.init_weights_seed):
            module = ReftModule(layer_width(target.model, layer), target.config)
        slot = _slot(layer, seen[layer.stack])
        install(target, slot.refts, Place(layer.index, "reft"), module, layer.module)
    return len(chosen)


def tidy(model: nn.Module) -> None:
    for layer in placed_layers(model):
        slot = getattr(layer.module, "reft_layer", None)
        if isinstance(slot, ReftLayer) and not slot.refts:
            remove_hooks(slot, layer.module)
            del layer.module.reft_layer


def _slot(layer: PlacedLayer, seen: SequenceOfStack) -> ReftLayer:
    """Its hook comes before those by which transformers records hidden states."""
    if not hasattr(layer.module, "reft_layer"):
        layer.module.reft_layer = ReftLayer(seen, is_grid=layer.stack.kind == "encoder")
        slot = layer.module.reft_layer
        slot.handle = layer.module.register_forward_hook(slot.adapt_output, prepend=True)
    return layer.module.reft_layer


def _is_wanted(config: AdapterConfig) -> bool:
    return isinstance(config, ReftConfig)


METHOD = AdapterMethod("reft", _is_wanted, add, tidy)
