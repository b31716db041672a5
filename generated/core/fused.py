"""How is the output of one projection divided among its roles, in numbers?"""

from __future__ import annotations

import math

from torch import nn

from generated.core.errors import AdapterConfigError
from generated.core.layers.lora.projection import FusedParts, features
from generated.core.placed import PlacedProjection


def fused_parts(placed: PlacedProjection, adapted: tuple[bool, ...]) -> FusedParts:
    """
    Which parts of a projection are adapted, and where in its output they are.

    Raises:
        AdapterConfigError: its output is not as wide as the parts are said to be.
    """
    projection, layer = placed.projection, placed.layer.module
    out_features = features(placed.module)[1]
    shares = [_number(layer, width) if width else 0 for width in projection.widths]
    if 0 in shares:
        shares[shares.index(0)] = out_features - sum(shares)
    divisor = math.gcd(*shares) if shares else 1
    group = _number(layer, projection.group) if projection.group else sum(shares) or out_features
    if out_features % group or group % (sum(shares) // divisor or len(adapted)):
        raise AdapterConfigError(
            f"{placed.path} is said to hold {len(adapted)} parts, "
            f"{f'{shares} wide' if shares else 'of equal width'}, but its output has {out_features} channels"
        )
    return FusedParts(adapted, tuple(share // divisor for share in shares), out_features // group)


def _number(layer: nn.Module, product: str) -> int:
    """A product of numbers and of attributes below the layer."""
    return math.prod(int(factor) if factor.isdigit() else _attribute(layer, factor) for factor in product.split(" * "))


def _attribute(layer: nn.Module, path: str) -> int:
    value = layer
    for name in path.split("."):
        value = getattr(value, name)
    return value
