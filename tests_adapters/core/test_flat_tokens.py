"""Feed-forwards that make the tokens of all examples flat, as OPT's and those of mixtures of experts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import generated
from generated.core.composition import AdapterCompositionBlock, BatchSplit, Parallel, Split
from generated.core.configuration import BnConfig, ConfigUnion, LoRAConfig
from tests_adapters.core.zoo import add_random, build, inputs_for


EVERYWHERE = {"output_adapter": True, "mh_adapter": False, "reduction_factor": 4, "non_linearity": "gelu"}
BOTH = ConfigUnion(BnConfig(**EVERYWHERE), LoRAConfig(r=4, intermediate_lora=True, output_lora=True))
GATED = ConfigUnion(
    BnConfig(**EVERYWHERE, use_gating=True), LoRAConfig(r=4, intermediate_lora=True, output_lora=True, use_gating=True)
)
SETUPS = [Split("a", "bb", splits=[3, 4]), BatchSplit("a", "bb", batch_sizes=[1, 1]), Parallel("a", "bb"), "bb"]


def make_flat(layer: nn.Module) -> None:
    """The layer does the same, with (batch · length, width) in its feed-forward."""
    chunk = layer.feed_forward_chunk

    def flat(attention_output: Tensor) -> Tensor:
        return chunk(attention_output.flatten(0, 1)).unflatten(0, attention_output.shape[:2])

    layer.feed_forward_chunk = flat


@pytest.mark.parametrize("config", [BOTH, GATED], ids=["plain", "gated"])
@pytest.mark.parametrize("setup", SETUPS, ids=repr)
def test_what_is_made_flat_changes_nothing(setup: AdapterCompositionBlock | str, config: ConfigUnion) -> None:
    model, inputs = generated.init(build("bert")), inputs_for("bert")
    for name in ("a", "bb"):
        add_random(model, name, config)
    model.set_active_adapters(setup)
    with torch.no_grad():
        expected = model(**inputs).last_hidden_state
        for layer in model.encoder.layer:
            make_flat(layer)
        got = model(**inputs).last_hidden_state
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
