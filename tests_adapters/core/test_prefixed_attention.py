"""Sequences that follow one another in one row: each gets the prefix, whether a kernel takes all or each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from generated.core.composition import BatchSplit, Stack
from generated.core.composition.base import AdapterCompositionBlock
from generated.core.layers.prefix_tuning import PrefixTuningShim
from generated.core.layers.prefix_weights import FlatPrefixTuning, LayerPrefix, PrefixShape


HEADS, WIDTH = 2, 4
LENGTHS = [3, 5]


def attend(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: None, **kwargs: Any) -> tuple:
    """As transformers' eager function, for each sequence where a kernel is told of several."""
    sides = (("cu_seq_lens_q", query), ("cu_seq_lens_k", key))
    ends = [kwargs.get(name, torch.tensor([0, states.shape[-2]])).diff().tolist() for name, states in sides]
    assert kwargs.get("max_length_k", max(ends[1])) == max(ends[1])
    parts = zip(query.split(ends[0], -2), key.split(ends[1], -2), value.split(ends[1], -2), strict=True)
    weights = [((q @ k.mT).softmax(-1), v) for q, k, v in parts]
    outputs = torch.cat([weight @ v for weight, v in weights], dim=-2)
    return outputs.transpose(1, 2), weights[0][0] if len(weights) == 1 else None


def shim_with(lengths: Sequence[int], setup: AdapterCompositionBlock) -> PrefixTuningShim:
    shim = PrefixTuningShim(None, head_dim=WIDTH, is_causal=False)
    for name, length in zip("ab", lengths, strict=True):
        source = FlatPrefixTuning((PrefixShape(HEADS, WIDTH, WIDTH),), length, 0.0)
        shim.prefixes[name] = LayerPrefix(source, 0)
    shim.active = setup
    return shim


def expected(shim: PrefixTuningShim, names: Sequence[str], states: Sequence[Tensor]) -> Tensor:
    outputs = []
    for name, query, key, value in zip(names, *(state.split(LENGTHS, dim=-2) for state in states), strict=True):
        keys, values = shim.prefixes[name].rows(key)
        scores = query @ torch.cat([keys[None], key], dim=-2).mT
        outputs.append(scores.softmax(-1) @ torch.cat([values[None], value], dim=-2))
    return torch.cat(outputs, dim=-2).transpose(1, 2)


@pytest.mark.parametrize("lengths", [(2, 2), (1, 3)])
@pytest.mark.parametrize(
    ("setup", "names"), [(Stack("a"), "aa"), (BatchSplit("a", "b", batch_sizes=[1, 1]), "ab")], ids=["one", "each"]
)
def test_each_sequence_has_its_prefix(lengths: tuple[int, int], setup: AdapterCompositionBlock, names: str) -> None:
    shim = shim_with(lengths, setup)
    states = torch.randn(3, 1, HEADS, sum(LENGTHS), WIDTH)
    boundaries = torch.tensor([0, LENGTHS[0], sum(LENGTHS)])
    ends = {f"cu_seq_lens_{side}": boundaries for side in "qk"} | {"max_length_q": 5, "max_length_k": 5}

    together = shim.around(attend, torch.randn(sum(LENGTHS), 7), boundaries)(shim, *states, None, **ends)[0]
    function = shim.around(attend, torch.randn(sum(LENGTHS), 7), boundaries)
    results = [function(shim, *parts, None) for parts in zip(*(s.split(LENGTHS, -2) for s in states), strict=True)]

    wanted = expected(shim, names, states.unbind())
    torch.testing.assert_close(together, wanted)
    torch.testing.assert_close(torch.cat([output for output, _ in results], dim=1), wanted)
    assert [weights.shape[-1] for _, weights in results] == LENGTHS


def test_rows_that_are_sequences() -> None:
    shim = shim_with((2, 2), Stack("a"))
    query, key, value = torch.randn(3, 2, HEADS, 5, WIDTH)

    output = shim.around(attend, torch.randn(2, 5, 7))(shim, query, key, value)[0]

    keys, values = shim.prefixes["a"].key_values(key)
    weights = (query @ torch.cat([keys, key], dim=-2).mT).softmax(-1)
    torch.testing.assert_close(output, (weights @ torch.cat([values, value], dim=-2)).transpose(1, 2))


def test_no_prefix_is_active() -> None:
    shim = PrefixTuningShim(None, head_dim=WIDTH, is_causal=False)

    assert shim.around(attend, torch.randn(2, 5, 7)) is attend
