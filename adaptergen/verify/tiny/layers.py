"""Which layers of a stack are enough to have one of every kind?

A configuration says what kind a layer is in lists with an entry per layer, in lists of the numbers of special layers,
and in counts of layers at either end. Layers are chosen from those of the default, and all of that is said of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any


Stacks = Mapping[int, Sequence[int]]  # number of layers of a stack → those that are kept

COUNTS = r"n_layers?|num_blocks|(\w+_)?depth|(\w+_)?layers|num_\w*layers"
NOT_COUNTS = (
    r"\w*(adapter|postnet|prenet|residual|lstm|conv|feat_extract|predictor|proj|shared|dense|window|feature|"
    r"upsampl|nextn|lqe|head|first|last)\w*"
)
KINDS = r"\w*layers?_types"
INDICES = r"\w*(index|indexes|indices|idx|_layers?|_blocks|layer_ids|hook_ids|source_layers)"
AT_THE_START = r"first_k_\w+|num_(first_)?dense_layers|moe_layer_start_index|num_first_\w+_layers"
AT_THE_END = r"num_kv_shared_layers|num_last_\w+_layers"
EVERY = r"\w*(interval|_period|_frequency|_freq|sparse_step|layer_step|every_n\w*|window_pattern)"
PER_LAYER = "per_layer_config"
CYCLE = "block_types"
ONE = r"merge_index"
ELSEWHERE = r"\w*(feature_layers?|hook_ids)"
TARGETS = r"\w*target_layers"  # of a part that is deep enough for them, each with something of its own
SHARED = "hybrid"  # layers of this kind may share weights: one alone shows nothing
AT_MOST, FEW, LAYERS = 6, 4, 2


def chosen_layers(attributes: Mapping[str, Any], targets: Collection[int] = ()) -> Stacks:
    """Of each stack the first layer, the last, one of each kind between, and those that others aim at."""
    lengths = {value for name, value in attributes.items() if is_count(name, value)}
    lengths |= {len(value) for name, value in attributes.items() if re.fullmatch(KINDS, name) and value}
    return {length: _chosen(length, attributes, targets) for length in sorted(lengths) if length > 1}


def targets_in(attributes: Mapping[str, Any]) -> Collection[int]:
    """Layers of another configuration that something is meant for."""
    return {n for name, value in attributes.items() if _holds_targets(name, value) for n in value}


def is_count(name: str, value: Any) -> bool:
    """Does the attribute say how many layers there are?"""
    return type(value) is int and bool(re.fullmatch(COUNTS, name)) and not re.fullmatch(NOT_COUNTS, name)


def of_fewer(name: str, value: Any, stacks: Stacks) -> Any:
    """What the attribute says of the layers that are kept: the value itself if it is not about layers."""
    if type(value) is int:
        return _number_of_fewer(name, value, stacks)
    if not isinstance(value, list | tuple) or not value:
        return value
    if len(value) in stacks:
        return type(value)(_of_kept(name, value, stacks[len(value)]))
    if is_pattern(value):
        return type(value)(type(item)((item[0], 1)) for item in value)
    if _holds_targets(name, value) and not stacks:
        return type(value)(_after_the_first(value))
    if _holds_layers(name, value) and stacks:
        return type(value)(_renumbered(value, stacks))
    if _holds_layers(name, value) and re.fullmatch(ELSEWHERE, name):
        return type(value)(_last(value))
    return value


def is_pattern(value: Any) -> bool:
    """`[[["global", "local"], 12]]`: kinds of layers, and how often they are repeated."""
    match value:
        case [[[str(), *_], int()], *_]:
            return True
    return False


def _number_of_fewer(name: str, value: int, stacks: Stacks) -> int:
    if is_count(name, value):
        return len(stacks.get(value, range(value)))
    if not stacks:
        return value
    length = max(stacks)
    if re.fullmatch(ONE, name) and value in stacks[length]:
        return stacks[length].index(value)
    if re.fullmatch(AT_THE_START, name):
        return sum(layer < value for layer in stacks[length])
    if re.fullmatch(AT_THE_END, name):
        return sum(layer >= length - value for layer in stacks[length])
    if re.fullmatch(EVERY, name):
        return min(value, 2)
    if re.fullmatch(r"\w+_offset", name):
        return min(value, 1)
    return value


def _of_kept(name: str, values: Sequence[Any], kept: Sequence[int]) -> list[Any]:
    """Entries of the layers that are kept. Where they are numbers of other layers, a layer that is gone is its own."""
    picked = [values[layer] for layer in kept]
    if _holds_layers(name, values) and len(set(values)) > FEW:
        return [kept.index(other) if other in kept else new for new, other in enumerate(picked)]
    return picked


def _last(numbers: Sequence[int]) -> list[int]:
    """Numbers of layers of another configuration, whose stack is small: the last ones, in the same order."""
    ranks = sorted({max(number, -LAYERS) for number in numbers})
    near = {n: n if n < 0 else max(0, LAYERS - len(ranks) + rank) for rank, n in enumerate(ranks)}
    return list(dict.fromkeys(near[max(number, -LAYERS)] for number in numbers))


def _after_the_first(numbers: Sequence[int]) -> list[int]:
    """Numbers of layers of another configuration, whose stack has kept these and the first one."""
    ranks = sorted({0, *numbers})
    return [ranks.index(number) for number in numbers]


def _renumbered(numbers: Sequence[int], stacks: Stacks) -> list[int]:
    """Numbers of layers that are kept; one that follows the last stands for the output, those from the end stay."""
    length = next((length for length in stacks if max(numbers) <= length), max(stacks))
    kept = list(stacks[length])
    new = (n if n < 0 else kept.index(n) if n in kept else len(kept) if n == length else None for n in numbers)
    return [n for n in new if n is not None and -len(kept) <= n]


def _chosen(length: int, attributes: Mapping[str, Any], targets: Collection[int]) -> tuple[int, ...]:
    kinds = _kinds(length, attributes)
    kept = {0, length - 1} | {n for name, value in attributes.items() for n in _named(name, value, length)}
    kept |= set(targets) if all(target < length for target in targets) else set()
    for layer in range(length):
        others = [kinds[other] for other in kept - {layer}]
        if len(kept) < AT_MOST and others.count(kinds[layer]) < (2 if SHARED in kinds[layer] else 1):
            kept.add(layer)
    return tuple(sorted(kept))


def _named(name: str, value: Any, length: int) -> Collection[int]:
    """Each of a few layers that a list or a number names is used in a way of its own."""
    if re.fullmatch(ONE, name) and type(value) is int and 0 <= value < length:
        return (value,)
    few = _holds_layers(name, value) and len(value) <= FEW and max(value) <= length
    return [number for number in value if 0 <= number < length] if few else ()


def _kinds(length: int, attributes: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """All that is said of each layer of a stack."""
    said = [kinds for name, value in attributes.items() if (kinds := _said(name, value, length))]
    return list(zip(*said, strict=True)) if said else [()] * length


def _said(name: str, value: Any, length: int) -> Sequence[Any]:
    layers = range(length)
    if isinstance(value, list | tuple) and len(value) == length and _are_kinds(value):
        return value
    if name == CYCLE and isinstance(value, list | tuple) and value:
        return [value[layer % len(value)] for layer in layers]
    if _holds_layers(name, value) and len(value) > FEW and max(value) < length:
        return [layer in value for layer in layers]
    if name == PER_LAYER:
        return [repr(value.get(layer)) for layer in layers]
    if type(value) is int and re.fullmatch(AT_THE_START, name):
        return [layer < value for layer in layers]
    if type(value) is int and re.fullmatch(AT_THE_END, name):
        return [layer >= length - value for layer in layers]
    return ()


def _are_kinds(values: Sequence[Any]) -> bool:
    return all(isinstance(v, str | int | None) for v in values) and len(set(values)) <= FEW


def _holds_layers(name: str, value: Any) -> bool:
    numbers = isinstance(value, list | tuple) and bool(value) and all(type(v) is int for v in value)
    return numbers and re.fullmatch(INDICES, name) is not None


def _holds_targets(name: str, value: Any) -> bool:
    return _holds_layers(name, value) and re.fullmatch(TARGETS, name) is not None
