"""How wide are the hidden states? Stages and towers of one model may differ, so each layer is asked itself."""

from __future__ import annotations

from torch import nn

from generated.core.config_names import config_value
from generated.core.layers.lora.projection import features
from generated.core.sites import PlacedLayer, first_stack, placed_layers, projection_modules


def layer_width(model: nn.Module, layer: PlacedLayer) -> int:
    """
    Channels of what a sub-layer adds to the hidden states: what its last linear map gives.

    Raises:
        AttributeError: the layer has no such map, and the configuration tells no `hidden_size`.
    """
    last = (module for projection, module in projection_modules(layer) if projection.roles in ("o", "down"))
    module = next(last, None)
    return config_value(model.config, "hidden_size") if module is None else features(module)[1]


def entry_width(model: nn.Module) -> int:
    """Channels of what enters the first layer."""
    stack = first_stack(model)
    return layer_width(model, next(layer for layer in placed_layers(model) if layer.stack == stack))


def model_width(model: nn.Module) -> int:
    """Channels of the hidden states, or of those of the last layer where stages differ."""
    try:
        size = config_value(model.config, "hidden_size")
    except AttributeError:
        size = None
    if isinstance(size, int):
        return size
    *_, last = placed_layers(model)
    return layer_width(model, last)
