"""How wide are the hidden states? Stages and towers of one model may differ, so each layer is asked itself."""

from __future__ import annotations

from torch import nn

from generated.core.config_names import config_value
from generated.core.errors import UnsupportedMethodError
from generated.core.layers.lora.projection import features
from generated.core.placed import PlacedLayer, first_layer, placed_layers, projection_modules, unwrapped


def layer_width(model: nn.Module, layer: PlacedLayer, host: str = "") -> int:
    """
    Channels of what a sub-layer adds to the hidden states: what its last linear map gives.

    Args:
        host: path of the module that adds it, as there may be streams of several widths.

    Raises:
        UnsupportedMethodError: the layer has no such map, and the configuration tells no `hidden_size`.
    """
    last = {p.path: linear for p, linear in projection_modules(layer) if p.roles in ("o", "down")}
    within = (linear for path, linear in last.items() if host and path.startswith(f"{host}."))
    linear = next(within, next(iter(last.values()), None))
    if linear is not None:
        return features(unwrapped(linear))[1]
    try:
        return config_value(model.config, "hidden_size")
    except AttributeError as unknown:
        cls = type(layer.module).__name__
        raise UnsupportedMethodError(f"neither a linear map nor hidden_size tells how wide {cls} is") from unknown


def entry_width(model: nn.Module) -> int:
    """Channels of what enters the first layer."""
    return layer_width(model, first_layer(model))


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
