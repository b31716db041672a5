"""Attention without a mask of rows: a prefix is hidden in the scores from rows that have a shorter one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from generated.core.composition import BatchSplit, Stack
from generated.core.layers.prefix_tuning import PrefixTuningShim
from tests_adapters.core.test_prefixed_attention import HEADS, WIDTH, shim_with


LENGTH = 5
EACH = BatchSplit("a", "b", batch_sizes=[1, 1])


def attend(shim: PrefixTuningShim, states: Sequence[Tensor], hidden_states: Tensor, bias: Tensor) -> Tensor:
    """As written out in a forward; the bias takes the shape of the scores, which have a prefix."""
    query, key, value = states
    key, value, visible_prefix = shim.unmasked(key, value, hidden_states)
    scores = query @ key.mT
    scores = scores + shim.extend_bias(bias.expand_as(shim.without(scores)))
    scores = shim.hide(scores, visible_prefix)
    return scores.softmax(-1) @ value


def expected(shim: PrefixTuningShim, names: Sequence[str], states: Sequence[Tensor], bias: Tensor) -> Tensor:
    """Each row by itself, with its own prefix."""
    outputs = []
    for name, query, key, value in zip(names, *states, strict=True):
        keys, values = shim.prefixes[name].rows(key)
        scores = torch.cat([query @ keys.mT, query @ key.mT + bias], dim=-1)
        outputs.append(scores.softmax(-1) @ torch.cat([values, value], dim=-2))
    return torch.stack(outputs)


@pytest.mark.parametrize("windows", [1, 3])
@pytest.mark.parametrize("lengths", [(2, 2), (1, 3), (3, 1)])
@pytest.mark.parametrize(("setup", "names"), [(Stack("a"), "aa"), (EACH, "ab")], ids=["one", "each"])
def test_each_row_has_its_prefix(
    setup: Stack | BatchSplit, names: str, lengths: tuple[int, int], windows: int
) -> None:
    shim = shim_with(lengths, setup)
    states, hidden_states = torch.randn(3, 2 * windows, HEADS, LENGTH, WIDTH), torch.randn(2, windows * LENGTH, 7)
    bias = torch.randn(LENGTH, LENGTH)

    by_row = attend(shim, states, hidden_states, bias)
    in_windows = [state.unflatten(0, (2, windows)).transpose(1, 2) for state in states]
    by_window = attend(shim, in_windows, hidden_states, bias).transpose(1, 2).flatten(0, 1)
    flat = attend(shim, states.flatten(1, 2), hidden_states.reshape(2 * windows, LENGTH, 7), bias)

    wanted = expected(shim, [name for name in names for _ in range(windows)], states, bias)
    torch.testing.assert_close(by_row, wanted)
    torch.testing.assert_close(by_window, wanted)
    torch.testing.assert_close(flat, wanted.flatten(0, 1))


def test_without_a_prefix_nothing_is_done() -> None:
    shim = shim_with((2, 2), Stack("a"))
    shim.active = None
    key, value, scores = torch.randn(3, 2, HEADS, LENGTH, WIDTH)

    assert shim.unmasked(key, value, torch.randn(2, LENGTH, 7)) == (key, value, None)
    assert shim.hide(scores, None) is scores
    assert shim.without(scores) is scores
