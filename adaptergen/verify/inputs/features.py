"""How many positions of a text do a picture and a sound take? The model that makes features of them knows."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from adaptergen.verify.inputs.call import BATCH, Call
from adaptergen.verify.inputs.pixels import PIXELS
from adaptergen.verify.inputs.sounds import SOUNDS
from adaptergen.verify.inputs.text import PLACEHOLDERS, placeholder


QUERIES = "query_tokens"  # that read each picture, and are all that a text gets of it
FILM = 5  # dimensions


def count_features(call: Call, inputs: Mapping[str, Tensor]) -> dict[str, int]:
    """Features of each example by their kind, for models whose texts have places for them."""
    kinds = [kind for kind in PLACEHOLDERS if call.takes("input_ids") and placeholder(call, kind) is not None]
    counts = {kind: _queries(call, kind, inputs) or _features(call, kind, inputs) for kind in kinds}
    return {kind: count for kind, count in counts.items() if count}


def counts_told(refusal: Exception, counts: Mapping[str, int]) -> dict[str, int]:
    """What a model asks for when it refuses other counts: it says how many places there are, and how many features."""
    told = str(refusal).lower()
    numbers = [int(number) for number in re.findall(r"\b\d+\b", told)]
    kind = next((kind for kind in PLACEHOLDERS if kind in told), None)
    if kind is None or "token" not in told or len(numbers) != 2:
        return {}
    others = [number // BATCH for number in numbers if number != counts.get(kind, 0) * BATCH]
    return {**counts, kind: others[0]} if len(others) == 1 and others[0] else {}


def few_of_each(call: Call, inputs: Mapping[str, Tensor], counts: Mapping[str, int]) -> dict[str, int]:
    """The same counts, and two for what is seen or heard and has none."""
    given = {"image": PIXELS, "audio": SOUNDS}
    lacking = (
        kind
        for kind, names in given.items()
        if kind not in counts and any(name in inputs for name in names) and placeholder(call, kind) is not None
    )
    return {**counts, **dict.fromkeys(lacking, 2)}


def _queries(call: Call, kind: str, inputs: Mapping[str, Tensor]) -> int:
    queries = getattr(call.model.base_model, QUERIES, None)
    pixels = next((inputs[name] for name in PIXELS if name in inputs), None)
    if kind == "audio" or pixels is None or not isinstance(queries, Tensor):
        return 0
    return int(queries.shape[1]) * (pixels.shape[1] if pixels.dim() == FILM else 1)


def _features(call: Call, kind: str, inputs: Mapping[str, Tensor]) -> int:
    """Those that the model makes, or, where it leaves that to a part of it, the part."""
    name = f"get_{kind}_features"
    for module in call.model.modules():
        make = getattr(module, name, None)
        if make is not None:
            return _count_made(make, inputs) if module is call.model else _count_of_part(make, inputs)
    return 0


def _count_of_part(make: Callable[..., Any], inputs: Mapping[str, Tensor]) -> int:
    """Of a part that sees all pictures of all examples one after the other, or example by example like the whole."""
    try:
        return _count_made(make, {name: _of_part(value) for name, value in inputs.items()})
    except Exception:  # upstream refuses in whatever way it likes
        return _count_made(make, inputs)


def _of_part(value: Tensor) -> Tensor:
    return value.flatten(0, 1) if value.dim() == FILM else value


def _count_made(make: Callable[..., Any], inputs: Mapping[str, Tensor]) -> int:
    given = {name: inputs[name] for name in inspect.signature(make).parameters if name in inputs}
    if not given or not set(_needed(make)) <= set(given):
        return 0
    with torch.no_grad():
        return _count(make(**given)) // BATCH


def _needed(make: Callable[..., Any]) -> list[str]:
    return [
        name
        for name, each in inspect.signature(make).parameters.items()
        if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
    ]


def _count(features: Any) -> int:
    """Vectors in whatever holds them; none in what is not understood."""
    pooled = getattr(features, "pooler_output", None)
    features = features if pooled is None else pooled
    if isinstance(features, Tensor):
        return math.prod(features.shape[:-1])
    if isinstance(features, list | tuple):
        return sum(_count(each) for each in features)
    return _count(features[0]) if isinstance(features, Mapping) and features else 0
