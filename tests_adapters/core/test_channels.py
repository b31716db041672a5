"""States whose channels are elsewhere, or of another number, are refused in words."""

import pytest
import torch
from torch import nn

import generated
from generated import LoReftConfig, SeqBnConfig, SeqBnInvConfig
from generated.core.errors import UnsupportedMethodError
from generated.core.layers.bottleneck import BottleneckAdapter
from generated.core.layers.reft import ReftLayer, ReftModule
from tests_adapters.core.zoo import add_random, build


CHANNELS_FIRST = torch.zeros(2, 8, 3)


@pytest.mark.parametrize(
    ("adapter", "kind"),
    [
        (BottleneckAdapter(8, 4, SeqBnConfig()), "a bottleneck adapter"),
        (ReftModule(8, LoReftConfig(r=2)), "a ReFT adapter"),
    ],
)
def test_channels_that_come_first(adapter: nn.Module, kind: str) -> None:
    with pytest.raises(UnsupportedMethodError, match=f"{kind} of 8 channels cannot act on states that end in 3"):
        adapter(CHANNELS_FIRST, None)


def test_invertible_adapter() -> None:
    model = generated.init(build("bert"))
    add_random(model, "inv", SeqBnInvConfig())
    with pytest.raises(UnsupportedMethodError, match=r"an invertible adapter of .* channels cannot act on states"):
        model.invertible_adapters_forward(CHANNELS_FIRST)


def test_states_of_several_kinds() -> None:
    model = generated.init(build("bert"))
    add_random(model, "reft", LoReftConfig(r=2))
    layer = next(module for module in model.modules() if isinstance(module, ReftLayer))
    with pytest.raises(UnsupportedMethodError, match="several kinds"):
        layer((CHANNELS_FIRST, CHANNELS_FIRST))
