"""Where roundings make a check fail, float64 decides, if upstream's model knows it."""

from __future__ import annotations

import pytest
import torch
from msgspec import Struct
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from adaptergen.verify.exact import exact_inputs, exact_model, told_exactly
from adaptergen.verify.outputs import CheckFailed


class Told(Struct, frozen=True):
    """Stands in for a subject."""

    runs: bool
    exact: bool = False


@told_exactly
def rounded(subject: Told, form: None) -> None:
    """It holds in float64 alone."""
    if not subject.exact:
        raise CheckFailed("differs by roundings")


@told_exactly
def wrong(subject: Told, form: None) -> None:
    raise CheckFailed("float64" if subject.exact else "float32")


def test_float64_decides() -> None:
    rounded(Told(runs=True), None)
    with pytest.raises(CheckFailed, match="float64"):
        wrong(Told(runs=True), None)


def test_float32_decides_where_upstream_knows_no_other() -> None:
    with pytest.raises(CheckFailed, match="differs by roundings"):
        rounded(Told(runs=False), None)


def test_checks_keep_their_names() -> None:
    assert (rounded.__name__, rounded.__doc__) == ("rounded", "It holds in float64 alone.")


def test_inputs() -> None:
    given = {"pixel_values": torch.zeros(1), "input_ids": torch.zeros(1, dtype=torch.long)}
    assert [value.dtype for value in exact_inputs(given).values()] == [torch.float64, torch.long]


class HidingModel(PreTrainedModel):
    """It keeps a map where torch does not look."""

    config_class = PretrainedConfig

    def __init__(self) -> None:
        super().__init__(PretrainedConfig())
        self.known, self.hidden = nn.Linear(2, 2), [nn.Linear(2, 2)]

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.hidden[0](self.known(states))


def test_maps_in_plain_lists_become_exact_too() -> None:
    assert exact_model(HidingModel())(torch.ones(1, 2, dtype=torch.float64)).dtype == torch.float64
