"""Each layer's adapters use the norm of that layer: one that adds nothing leaves the model as it is."""

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

import generated
from generated.core.configuration import AdapterConfig, BnConfig, DoubleSeqBnConfig, ParBnConfig, SeqBnConfig
from generated.core.lifecycle import adapter_modules
from tests_adapters.core.zoo import BASE_MODELS, CONFIGS, build, call, differ, each_architecture, inputs_for


NORM_FIRST = BnConfig(
    True, True, 4, "relu", original_ln_before=True, original_ln_after=False, residual_before_ln=False
)

each_config = pytest.mark.parametrize(
    "config",
    [SeqBnConfig(), DoubleSeqBnConfig(cross_adapter=True), ParBnConfig(mh_adapter=True), NORM_FIRST],
    ids=["seq", "double", "parallel", "norm first"],
)


def build_with_own_norms(architecture: str) -> PreTrainedModel:
    """No two norms of the model are alike."""
    model = build(architecture)
    with torch.no_grad():
        for module in model.modules():
            if "Norm" in type(module).__name__:
                for parameter in module.parameters():
                    parameter.normal_(mean=1.0, std=0.5)
    return model


def empty(model: nn.Module, name: str) -> None:
    """Let the adapter add nothing."""
    with torch.no_grad():
        for _, container in adapter_modules(model, name):
            for part, parameter in container[name].named_parameters():
                if part.startswith("adapter_up"):
                    parameter.zero_()


@each_config
@each_architecture
def test_an_adapter_that_adds_nothing(architecture: str, config: AdapterConfig) -> None:
    model, inputs = generated.init(build_with_own_norms(architecture)), inputs_for(architecture)
    expected = call(model, inputs)
    model.add_adapter("empty", config=config, set_active=True)
    assert differ(call(model, inputs), expected) == (not starts_as_nothing(config))
    empty(model, "empty")
    for got, wanted in zip(call(model, inputs), expected, strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)


def starts_as_nothing(config: AdapterConfig) -> bool:
    return config.init_weights == "mam_adapter"


def test_the_norms_of_these_models_differ() -> None:
    """Or the tests above would say nothing."""
    for architecture in CONFIGS:
        assert architecture in BASE_MODELS
        model = build_with_own_norms(architecture)
        norms = [module for module in model.modules() if "Norm" in type(module).__name__]
        assert len(norms) >= 2
        assert not any(torch.equal(norms[0].weight, norm.weight) for norm in norms[1:])
