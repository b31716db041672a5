"""Merged weights give what the adapter gave, and come back bit by bit; what cannot be merged is refused."""

import copy
import pickle

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

import generated
from generated.core.composition import BatchSplit, Stack
from generated.core.configuration import DoRAConfig, LoRAConfig, SeqBnConfig
from generated.core.errors import AdapterConfigError, AdapterError, UnknownAdapterError, UnsupportedMethodError
from generated.core.layers.lora import FusedParts
from tests_adapters.core.linear_maps import FAMILY, SINGLE, QuantizedLinear, X, adapted, each_of_family
from tests_adapters.core.zoo import (
    METHODS,
    add_random,
    assert_identical,
    build,
    build_adapted,
    call,
    differ,
    each_architecture,
    fresh,
    inputs_for,
)


EVERYWHERE = {"attn_matrices": ["q", "k", "v", "o"], "mlp_matrices": ["gate", "up", "down"]}


def assert_close(first: list, second: list) -> None:
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=2e-4)


def weights(model: nn.Module) -> dict:
    return {name: value.clone() for name, value in model.state_dict().items() if ".loras." not in name}


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: nn.Linear(6, 12), SINGLE),
        (lambda: nn.Linear(6, 12, bias=False), SINGLE),
        (lambda: Conv1D(12, 6), FusedParts((True, False, True))),
        (lambda: nn.Linear(6, 12), FusedParts((False, True, False))),
    ],
    ids=["plain", "no-bias", "conv1d-parts", "part"],
)
@each_of_family
def test_one_map(config: LoRAConfig, make, parts: FusedParts) -> None:
    linear = adapted(make(), parts, config)
    before, expected = [value.clone() for value in linear.parameters()], linear(X)
    linear.merge("a")
    linear.active = None
    torch.testing.assert_close(linear(X), expected, atol=1e-5, rtol=1e-5)
    linear.unmerge()
    assert all(torch.equal(value, old) for value, old in zip(linear.parameters(), before, strict=True))


@pytest.mark.parametrize("method", ["lora", "ia3", "dora", "vera", "mtl_lora"])
@each_architecture
def test_model(architecture: str, method: str) -> None:
    model, inputs = fresh(architecture), inputs_for(architecture)
    without, plain = call(model, inputs), weights(model)
    add_random(model, "task", FAMILY[method].replace(**EVERYWHERE))
    expected = call(model, inputs)
    assert differ(expected, without)

    model.merge_adapter("task")
    assert model.active_adapters is None
    assert_close(call(model, inputs), expected)

    model.reset_adapter()
    assert_identical(call(model, inputs), without)
    assert all(torch.equal(value, plain[name]) for name, value in weights(model).items() if name in plain)


def merged(architecture: str = "bert") -> tuple[nn.Module, list]:
    """A model with a merged adapter, and its output without."""
    model = fresh(architecture)
    without = call(model, inputs_for(architecture))
    add_random(model, "task", LoRAConfig(r=2, **EVERYWHERE))
    model.merge_adapter("task")
    return model, without


@pytest.mark.parametrize("setup", ["task", None])
def test_activation_takes_the_adapter_out_of_the_weights(setup: str | None) -> None:
    model, without = merged()
    with_adapter = call(model, inputs_for("bert"))
    model.set_active_adapters(setup)
    assert_close(call(model, inputs_for("bert")), without if setup is None else with_adapter)
    assert model.encoder.layer[0].attention.self.query.merged is None


def test_what_is_active_acts_on_top() -> None:
    model = fresh("bert")
    add_random(model, "task", LoRAConfig(r=2, **EVERYWHERE))
    add_random(model, "other", SeqBnConfig(reduction_factor=8))
    model.merge_adapter("task")
    both = call(model, inputs_for("bert"))
    assert model.active_adapters == Stack("other")
    model.set_active_adapters(["task", "other"])
    assert_close(call(model, inputs_for("bert")), both)


@pytest.mark.parametrize(
    "how", [lambda model: model.delete_adapter("task"), generated.deinit], ids=["delete", "deinit"]
)
def test_deleting_takes_it_out_of_the_weights(how) -> None:
    model, without = merged()
    how(model)
    assert_identical(call(model, inputs_for("bert")), without)


def test_replacing_takes_it_out_of_the_weights() -> None:
    model, without = merged()
    expected = call(model, inputs_for("bert"))
    with pytest.raises(UnsupportedMethodError, match="has no place"):
        model.add_adapter("task", config=LoRAConfig(leave_out=[0, 1]), overwrite_ok=True)
    assert_identical(call(model, inputs_for("bert")), expected)
    model.add_adapter("task", config=LoRAConfig(r=3), overwrite_ok=True)
    assert_identical(call(model, inputs_for("bert")), without)
    assert model.adapters_config["task"].r == 3


def test_switched_off_and_on_again() -> None:
    model, inputs = build_adapted("bert", "lora"), inputs_for("bert")
    add_random(model, "seq_bn", METHODS["seq_bn"]())
    model.merge_adapter("lora")
    merged = call(model, inputs)
    model.disable_adapters()
    assert_identical(call(model, inputs), call(build("bert"), inputs))
    model.enable_adapters()
    assert_identical(call(model, inputs), merged)


def test_merging_twice() -> None:
    model, without = merged()
    model.add_adapter("other", config=LoRAConfig(r=2))
    once = call(model, inputs_for("bert"))
    model.merge_adapter("task")
    assert_identical(call(model, inputs_for("bert")), once)
    with pytest.raises(AdapterError, match="'task' is merged already; call `reset_adapter"):
        model.merge_adapter("other")
    assert_identical(call(model, inputs_for("bert")), once)
    model.reset_adapter()
    model.reset_adapter()
    assert_identical(call(model, inputs_for("bert")), without)


def test_copies_keep_what_they_need_to_go_back() -> None:
    model, without = merged("gpt2")
    expected = call(model, inputs_for("gpt2"))
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_identical(call(twin, inputs_for("gpt2")), expected)
        twin.reset_adapter()
        assert_identical(call(twin, inputs_for("gpt2")), without)
    assert_identical(call(model, inputs_for("gpt2")), expected)


def test_files_of_a_merged_adapter_are_those_of_the_adapter(tmp_path) -> None:
    model, _ = merged()
    expected = call(model, inputs_for("bert"))
    model.save_adapter(tmp_path, "task")
    again = fresh("bert")
    again.load_adapter(tmp_path, set_active=True)
    assert_close(call(again, inputs_for("bert")), expected)


def test_saved_models_hold_the_merged_weights(tmp_path) -> None:
    model, _ = merged()
    expected = call(model, inputs_for("bert"))
    with pytest.MonkeyPatch.context() as patch:
        warnings: list[str] = []
        patch.setattr("generated.core.mixins.checkpoints.logger.warning", lambda text, *_: warnings.append(text))
        model.save_pretrained(tmp_path)
    assert any("do not activate it on top" in text for text in warnings)
    plain = type(build("bert")).from_pretrained(tmp_path, attn_implementation="eager").eval()
    assert_identical(call(plain, inputs_for("bert")), expected)


def test_lower_precision_goes_back_exactly() -> None:
    model = generated.init(build("llama").to(torch.bfloat16))
    before = weights(model)
    add_random(model, "task", LoRAConfig(r=2))
    model.merge_adapter("task")
    assert model.layers[0].self_attn.q_proj.weight.dtype == torch.bfloat16
    model.reset_adapter()
    assert all(torch.equal(value, before[name]) for name, value in weights(model).items())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("lora[use_gating=True]", "its gates depend on the input"),
        ("seq_bn", "SeqBnConfig adds modules, and not to weights"),
        ("unipelt", "PrefixTuningConfig, SeqBnConfig adds modules"),
    ],
)
def test_what_cannot_be_merged_is_refused(config: str, message: str) -> None:
    model = fresh("bert")
    add_random(model, "task", config)
    expected = call(model, inputs_for("bert"))
    with pytest.raises(UnsupportedMethodError, match=message):
        model.merge_adapter("task")
    assert model.active_adapters == Stack("task")
    assert_identical(call(model, inputs_for("bert")), expected)


def test_names_that_nobody_has() -> None:
    with pytest.raises(UnknownAdapterError, match="no adapter named task"):
        fresh("bert").merge_adapter("task")


def test_quantised_weights_are_refused_before_anything_changes() -> None:
    model = fresh("llama")
    model.layers[1].self_attn.v_proj = QuantizedLinear(model.layers[1].self_attn.v_proj)
    add_random(model, "task", LoRAConfig(r=2))
    with pytest.raises(UnsupportedMethodError, match=r"layers\.1\.self_attn\.v_proj is quantised"):
        model.merge_adapter("task")
    assert model.layers[0].self_attn.q_proj.merged is None


def test_tied_weights_are_refused() -> None:
    model = fresh("bert")
    first, second = model.encoder.layer
    second.attention.self.query.weight = first.attention.self.query.weight
    add_random(model, "task", LoRAConfig(r=2))
    with pytest.raises(UnsupportedMethodError, match="another module uses the weight"):
        model.merge_adapter("task")


def test_adapters_that_act_with_others_are_refused() -> None:
    model = fresh("bert")
    for name in ("a", "b"):
        add_random(model, name, LoRAConfig(r=2))
    model.set_active_adapters(BatchSplit("a", "b", batch_sizes=[1, 1]))
    with pytest.raises(AdapterError, match="'a' acts in"):
        model.merge_adapter("a")


def test_dora_does_not_begin_at_merged_weights() -> None:
    model, _ = merged()
    with pytest.raises(AdapterConfigError, match="'task' is merged into them"):
        model.add_adapter("dora", config=DoRAConfig())
    assert "dora" not in model.adapters_config
