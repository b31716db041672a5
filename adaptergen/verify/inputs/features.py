"""How many positions of a text do a picture and a sound take? The model that makes features of them knows."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from adaptergen.verify.inputs.call import BATCH, Call
from adaptergen.verify.inputs.text import PLACEHOLDERS, placeholder


def count_features(call: Call, inputs: Mapping[str, Tensor]) -> dict[str, int]:
    """Features of each example by their kind, for models whose texts have places for them."""
    counts = {}
    for kind in PLACEHOLDERS:
        make = getattr(call.model, f"get_{kind}_features", None)
        if make is None or placeholder(call, kind) is None or not call.takes("input_ids"):
            continue
        names = inspect.signature(make).parameters
        given = {name: inputs[name] for name in names if name in inputs}
        if given and set(_needed(make)) <= set(given):
            with torch.no_grad():
                counts[kind] = _count(make(**given)) // BATCH
    return counts


def _needed(make: Any) -> list[str]:
    return [
        name
        for name, each in inspect.signature(make).parameters.items()
        if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
    ]


def _count(features: Any) -> int:
    """Vectors in whatever holds them."""
    pooled = getattr(features, "pooler_output", None)
    features = features if pooled is None else pooled
    if isinstance(features, Tensor):
        return math.prod(features.shape[:-1])
    if isinstance(features, list | tuple):
        return sum(_count(each) for each in features)
    return _count(features[0])
