"""AdapterFusion: its formula, its configurations, and what happens to mixtures over time."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor, nn

import generated
from generated.core.composition import Fuse, Stack
from generated.core.configuration import AdapterFusionConfig, DynamicAdapterFusionConfig, StaticAdapterFusionConfig
from generated.core.errors import (
    AdapterConfigError,
    AdapterExistsError,
    UnknownAdapterError,
    UnsupportedCompositionError,
    UnsupportedMethodError,
)
from generated.core.layers.fusion import BertFusion
from tests_adapters.core.zoo import METHODS, add_random, build, call, differ, inputs_for, tree


SIZE = 6
QUERY, RESIDUAL = torch.randn(2, 2, 5, SIZE, generator=torch.Generator().manual_seed(0))
UP = torch.randn(2, 5, 3, SIZE, generator=torch.Generator().manual_seed(1))


def mixture(**changes) -> BertFusion:
    torch.manual_seed(2)
    fusion = BertFusion(SIZE, 0.0, DynamicAdapterFusionConfig().replace(**changes))
    for parameter in fusion.parameters():
        nn.init.normal_(parameter, std=0.5)
    return fusion.eval()


def mapped(linear: nn.Module | None, x: Tensor) -> Tensor:
    return x if linear is None else nn.functional.linear(x, linear.weight, linear.bias)


@pytest.mark.parametrize(("key", "query", "value", "residual_before", "early"), list(product([True, False], repeat=5)))
def test_formula(key: bool, query: bool, value: bool, residual_before: bool, early: bool) -> None:
    fusion = mixture(key=key, query=query, value=value, residual_before=residual_before, value_before_softmax=early)
    got, weights = fusion(QUERY, UP, RESIDUAL)
    for row, position in product(range(2), range(5)):
        ups = UP[row, position]
        scores = torch.stack([mapped(fusion.key, up) @ mapped(fusion.query, QUERY[row, position]) for up in ups])
        alphas = scores.softmax(0)
        values = ups + RESIDUAL[row, position] if residual_before else ups
        mixed = sum(
            alpha * (mapped(fusion.value, one) if early else one) for alpha, one in zip(alphas, values, strict=True)
        )
        mixed = mixed if early else mapped(fusion.value, mixed)
        torch.testing.assert_close(got[row, position], mixed if residual_before else mixed + RESIDUAL[row, position])
        torch.testing.assert_close(weights[row, position], alphas)


def test_temperature_falls_in_training_only() -> None:
    fusion = mixture(temperature=True)
    hot, _ = fusion(QUERY, UP, RESIDUAL)
    assert torch.equal(fusion(QUERY, UP, RESIDUAL)[0], hot)
    fusion.train()
    for _ in range(1000):
        fusion(QUERY, UP, RESIDUAL)
    assert fusion.T == 1.0
    cold = mixture()
    torch.testing.assert_close(fusion.eval()(QUERY, UP, RESIDUAL), cold(QUERY, UP, RESIDUAL))


def test_values_start_near_the_identity() -> None:
    fusion = BertFusion(SIZE, 0.0, DynamicAdapterFusionConfig())
    assert fusion.regularization_loss().item() == pytest.approx(0.0, abs=1e-6)
    nn.init.zeros_(fusion.value.weight)
    assert fusion.regularization_loss().item() == pytest.approx(0.01 * SIZE)
    assert BertFusion(SIZE, 0.0, StaticAdapterFusionConfig()).regularization_loss() is None


def test_configurations() -> None:
    assert AdapterFusionConfig.load("static") == StaticAdapterFusionConfig()
    assert AdapterFusionConfig.load("dynamic", temperature=True).temperature
    assert AdapterFusionConfig.load(DynamicAdapterFusionConfig().to_dict()) == DynamicAdapterFusionConfig()
    with pytest.raises(AdapterConfigError, match="known: static, dynamic"):
        AdapterFusionConfig.load("lively")


def model_with_adapters(*names: str, method: str = "double_seq_bn") -> nn.Module:
    model = generated.init(build("bert"))
    for name in names:
        add_random(model, name, METHODS[method]())
    return model


def test_life_of_a_mixture() -> None:
    model, inputs = model_with_adapters("a", "bb", "ccc"), inputs_for("bert")
    model.set_active_adapters("a")
    alone = call(model, inputs)
    model.add_adapter_fusion(["a", "bb"], "dynamic", set_active=True)
    model.add_adapter_fusion(Fuse("bb", "ccc"), "static", name="other")
    mixed = call(model, inputs)
    assert differ(mixed, alone)
    model.set_active_adapters(Stack("ccc", Fuse("a", "bb")))
    assert differ(call(model, inputs), mixed)
    model.set_active_adapters([["a", "bb"]])
    assert not differ(call(model, inputs), mixed)
    assert model.get_fusion_regularization_loss() > 0
    with pytest.raises(AdapterExistsError, match="overwrite_ok"):
        model.add_adapter_fusion("a,bb")
    model.set_active_adapters(Fuse("bb", "ccc", name="other"))
    assert model.get_fusion_regularization_loss() is None
    model.delete_adapter_fusion("other")
    assert model.active_adapters is None
    with pytest.raises(UnsupportedCompositionError, match="add_adapter_fusion"):
        model.set_active_adapters(Fuse("bb", "ccc"))
    model.delete_adapter("bb")
    assert not model.adapters_config.fusions
    with pytest.raises(UnknownAdapterError, match="no fusion named 'a,bb'"):
        model.delete_adapter_fusion(["a", "bb"])
    model.delete_adapter("a")
    model.delete_adapter("ccc")
    assert tree(model) == tree(generated.init(build("bert")))


def test_a_mixture_that_loses_an_adapter_is_gone() -> None:
    model, inputs = model_with_adapters("a", "bb", "ccc"), inputs_for("bert")
    model.add_adapter_fusion("a,bb,ccc", set_active=True)
    model.delete_adapter("bb")
    assert model.active_adapters is None
    assert not model.adapters_config.fusions
    assert not differ(call(model, inputs), call(build("bert"), inputs))


def test_a_mixture_of_other_adapters_takes_the_name() -> None:
    model = generated.init(build("bert"))
    for name, method in (("a", "seq_bn"), ("bb", "double_seq_bn"), ("ccc", "double_seq_bn")):
        add_random(model, name, METHODS[method]())
    model.add_adapter_fusion("bb,ccc", name="wanted", set_active=True)
    model.add_adapter_fusion("a,bb", name="wanted", overwrite_ok=True)
    assert model.active_adapters is None
    held = [module for path, module in model.named_modules() if path.endswith("adapter_fusion_layer.wanted")]
    assert len(held) == len(list(model.iter_layers()))
    model.set_active_adapters(Fuse("a", "bb", name="wanted"))
    call(model, inputs_for("bert"))


@pytest.mark.parametrize("config", ["static", "dynamic"])
@pytest.mark.parametrize("method", ["seq_bn", "double_seq_bn", "par_bn"])
def test_adapters_and_mixtures_of_other_types(method: str, config: str) -> None:
    model, inputs = generated.init(build("bert")), inputs_for("bert")
    for name in ("a", "bb"):
        add_random(model, name, METHODS[method]())
    model.add_adapter_fusion("a,bb", config, set_active=True)
    expected = call(model, inputs)
    model.adapter_to("a", dtype=torch.float64)
    assert not differ(call(model, inputs), expected)
    model.adapter_fusion_to("a,bb", dtype=torch.float64)
    mixed = call(model, inputs)
    assert not differ(mixed, expected)
    assert {tensor.dtype for tensor in mixed} == {torch.float32}


def test_only_the_mixture_is_trained() -> None:
    model, inputs = model_with_adapters("a", "bb"), inputs_for("bert")
    model.add_adapter_fusion("a,bb")
    model.train_adapter_fusion([["a", "bb"]])
    assert model.active_adapters == Stack(Fuse("a", "bb"))
    model.train_adapter_fusion(["a", "bb"])
    model(**inputs).last_hidden_state.square().mean().backward()
    trained = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert trained == {name for name in model.state_dict() if "adapter_fusion_layer.a,bb." in name}
    model.train_fusion(Fuse("a", "bb"), unfreeze_adapters=True)
    trainable = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert any(".adapters.a." in name for name in trained | set(trainable))
    model.train_adapter("a")
    assert not any("adapter_fusion_layer" in n for n, parameter in model.named_parameters() if parameter.requires_grad)


def test_a_single_adapter_in_a_layer_is_not_mixed() -> None:
    """Where only one of the adapters is, there is nothing to mix."""
    model, inputs = generated.init(build("bert")), inputs_for("bert")
    add_random(model, "a", METHODS["double_seq_bn"]())
    add_random(model, "bb", METHODS["double_seq_bn"]().replace(leave_out=[0]))
    model.add_adapter_fusion("a,bb", set_active=True)
    assert not model.encoder.layer[0].output.adapter_fusion_layer
    assert len(model.encoder.layer[1].output.adapter_fusion_layer) == 1
    call(model, inputs)


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        ("a,x", UnknownAdapterError, "no adapter named x"),
        (["a"], AdapterConfigError, "at least two"),
        (["a", "lora"], UnsupportedMethodError, "meet nowhere"),
    ],
)
def test_what_cannot_be_mixed(names, error, message: str) -> None:
    model = model_with_adapters("a")
    model.add_adapter("lora", config="lora")
    with pytest.raises(error, match=message):
        model.add_adapter_fusion(names)
    assert not model.adapters_config.fusions


def test_scores_are_returned_when_asked_for() -> None:
    model, inputs = model_with_adapters("a", "bb"), inputs_for("bert")
    model.add_adapter_fusion("a,bb", set_active=True)
    output = model(**inputs, output_adapter_fusion_attentions=True)
    scores = output.adapter_fusion_attentions["a,bb"]
    assert set(scores) == {0, 1}
    assert set(scores[0]) == {"mh_adapter", "output_adapter"}
    assert scores[0]["output_adapter"].shape == (2, 7, 2)
    torch.testing.assert_close(scores[1]["mh_adapter"].sum(-1), torch.ones(2, 7))
    *_, last = model(**inputs, output_adapter_fusion_attentions=True, return_dict=False)
    assert last.keys() == {"a,bb"}
    assert not hasattr(model(**inputs), "adapter_fusion_attentions")


@pytest.mark.parametrize("architecture", ["bert", "t5", "llama", "bart"])
def test_gating_scores_are_returned_when_asked_for(architecture: str) -> None:
    model, inputs = generated.init(build(architecture)), inputs_for(architecture)
    add_random(model, "unipelt", METHODS["unipelt"]())
    scores = model(**inputs, output_adapter_gating_scores=True).adapter_gating_scores["unipelt"]
    layers = len(list(model.iter_layers()))
    assert sorted(scores) == list(range(layers))
    for locations in scores.values():
        assert {"output_adapter", "selfattn_lora", "selfattn_lora_2"} <= set(locations)
        assert any(location.endswith("_prefix") for location in locations)
        assert all(gate.shape[0] == 2 and 0 < gate.min() <= gate.max() < 1 for gate in locations.values())
