"""Means of adapters, and adapters that share parameters."""

import copy

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from generated.core.composition import MultiTask, Stack
from generated.core.configuration import (
    AdapterConfig,
    LoRAConfig,
    MTLLoRAConfig,
    PrefixTuningConfig,
    SeqBnConfig,
    VeraConfig,
)
from generated.core.errors import AdapterConfigError, AdapterExistsError, UnknownAdapterError
from generated.core.layers.reft import OrthogonalRows
from generated.core.lifecycle import adapter_parameters, adapter_tensors
from tests_adapters.core.zoo import METHODS, add_random, assert_identical, call, differ, fresh, inputs_for


def model_with(*configs: AdapterConfig | str) -> nn.Module:
    """A model with random adapters called a, b, …"""
    model = fresh("bert")
    for name, config in zip("abcd", configs, strict=False):
        add_random(model, name, config)
        _shift(model, name)
    model.set_active_adapters(None)
    return model


def _shift(model: nn.Module, name: str) -> None:
    """Random adapters of the zoo differ by the lengths of their names only."""
    torch.manual_seed(ord(name))
    with torch.no_grad():
        for parameter in adapter_parameters(model, name):
            parameter.add_(torch.randn_like(parameter) * 0.1)


def tensors(model: nn.Module, name: str) -> dict:
    return {key.replace(f".{name}.", ".N."): value for key, value in adapter_tensors(model, name).items()}


@pytest.mark.parametrize("method", [name for name in METHODS if name != "loreft"])
def test_linear(method: str) -> None:
    model = model_with(METHODS[method](), METHODS[method]())
    model.average_adapter("mean", ["a", "b"], weights=[1, 3])
    a, b, mean = (tensors(model, name) for name in ("a", "b", "mean"))
    assert mean.keys() == a.keys()
    for key, value in mean.items():
        torch.testing.assert_close(value, 0.25 * a[key] + 0.75 * b[key])
    assert model.adapters_config["mean"] == model.adapters_config["a"]
    assert model.active_adapters is None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"adapter_list": ["a", "b"]}, (0.5, 0.5)),
        ({"adapter_list": ["a", "b"], "weights": [1, 1]}, (0.5, 0.5)),
        ({"adapter_list": ["b", "a"], "weights": [3, 1]}, (0.25, 0.75)),
        ({"adapter_list": {"a": 1, "b": 4}}, (0.2, 0.8)),
        ({"adapter_list": {"a": 1, "b": -2}, "normalize_weights": False}, (1.0, -2.0)),
        ({"adapter_list": ["a"]}, (1.0, 0.0)),
    ],
)
def test_weights(arguments: dict, expected: tuple[float, float]) -> None:
    model = model_with(SeqBnConfig(), SeqBnConfig())
    model.average_adapter("mean", **arguments, set_active=True)
    a, b, mean = (tensors(model, name) for name in ("a", "b", "mean"))
    for key, value in mean.items():
        torch.testing.assert_close(value, expected[0] * a[key] + expected[1] * b[key])
    assert model.active_adapters == Stack("mean")


def test_adapters_of_several_types() -> None:
    model = model_with(SeqBnConfig(), SeqBnConfig())
    model.adapter_to("b", dtype=torch.float64)
    model.average_adapter("mean", ["a", "b"])
    a, b, mean = (tensors(model, name) for name in ("a", "b", "mean"))
    for key, value in mean.items():
        torch.testing.assert_close(value, 0.5 * a[key] + 0.5 * b[key].float())


def test_negative_weights_negate_b_alone() -> None:
    model = model_with(LoRAConfig(r=2), LoRAConfig(r=2))
    options = {"combine_strategy": "lora_linear_only_negate_b", "normalize_weights": False}
    model.average_adapter("mean", ["a", "b"], weights=[1, -0.5], **options)
    a, b, mean = (tensors(model, name) for name in ("a", "b", "mean"))
    for key, value in mean.items():
        sign = 1 if key.endswith("lora_A") else -1
        torch.testing.assert_close(value, a[key] + sign * 0.5 * b[key])


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_singular_values(architecture: str) -> None:
    """At full rank the mean of what is added to the weights is exact, whatever the ranks and scalings were."""
    model, inputs = fresh(architecture), inputs_for(architecture)
    add_random(model, "a", LoRAConfig(r=2, alpha=4))
    add_random(model, "bb", LoRAConfig(r=3, alpha=1))
    model.average_adapter("mean", {"a": 0.7, "bb": 0.3}, combine_strategy="lora_delta_w_svd", svd_rank=5)
    linears = [module for module in model.modules() if "mean" in getattr(module, "loras", ())]
    assert linears
    for linear in linears:
        a, b, mean = (linear.loras[name] for name in ("a", "bb", "mean"))
        expected = 0.7 * a.scaling * a.delta() + 0.3 * b.scaling * b.delta()
        torch.testing.assert_close(mean.scaling * mean.delta(), expected, atol=1e-5, rtol=1e-4)
    model.average_adapter("same", ["a"], combine_strategy="lora_delta_w_svd", svd_rank=2)
    model.set_active_adapters("a")
    expected = call(model, inputs)
    model.set_active_adapters("same")
    for actual, wanted in zip(call(model, inputs), expected, strict=True):
        torch.testing.assert_close(actual, wanted, atol=1e-4, rtol=1e-4)


def test_vera_of_one_seed_has_a_mean() -> None:
    config = VeraConfig(r=2, init_weights_seed=7)
    model = model_with(config, config)
    model.average_adapter("mean", ["a", "b"], weights=[2, -5], normalize_weights=False)
    a, b, mean = (tensors(model, name) for name in ("a", "b", "mean"))
    for key, value in mean.items():
        expected = a[key] if "shared_parameters" in key else 2 * a[key] - 5 * b[key]
        torch.testing.assert_close(value, expected)
    other = model_with(VeraConfig(r=2), VeraConfig(r=2))
    with pytest.raises(AdapterConfigError, match="drawn at random"):
        other.average_adapter("mean", ["a", "b"])


def test_orthonormal_rows_stay_so() -> None:
    config = METHODS["loreft"]()
    model, inputs = model_with(config, config), inputs_for("bert")
    model.average_adapter("mean", ["a", "b"])
    model.average_adapter("same", ["a"])
    units = [
        module for name, module in model.named_modules() if isinstance(module, OrthogonalRows) and ".mean." in name
    ]
    assert len(units) == 4
    for unit in units:
        torch.testing.assert_close(unit() @ unit().mT, torch.eye(2), atol=1e-5, rtol=1e-5)
    model.set_active_adapters("a")
    expected = call(model, inputs)
    model.set_active_adapters("same")
    torch.testing.assert_close(call(model, inputs)[0], expected[0], atol=1e-4, rtol=1e-4)
    model.set_active_adapters("mean")
    assert differ(call(model, inputs), expected)


def test_mean_in_place_of_one_of_them() -> None:
    model = model_with(SeqBnConfig(), SeqBnConfig())
    a, b = (copy.deepcopy(tensors(model, name)) for name in ("a", "b"))
    with pytest.raises(AdapterExistsError, match="overwrite_ok"):
        model.average_adapter("b", ["a", "b"])
    model.average_adapter("b", ["a", "b"], overwrite_ok=True)
    for key, value in tensors(model, "b").items():
        torch.testing.assert_close(value, 0.5 * a[key] + 0.5 * b[key])


REFUSED = [
    ({"adapter_list": []}, "nothing to average"),
    ({"adapter_list": ["a", "a"]}, "named twice"),
    ({"adapter_list": ["a", "b"], "weights": [1]}, "as many weights, not 1"),
    ({"adapter_list": ["a", "b"], "weights": [1, -1]}, "sum to 0"),
    ({"adapter_list": {"a": 1}, "weights": [1]}, "given twice"),
    ({"adapter_list": ["a", "b"], "combine_strategy": "wild"}, "known: linear"),
    ({"adapter_list": ["a", "c"]}, "different configurations"),
    ({"adapter_list": ["c"], "combine_strategy": "lora_delta_w_svd", "svd_rank": 2}, "'c' is more; use 'linear'"),
    ({"adapter_list": ["a", "b"], "combine_strategy": "lora_delta_w_svd"}, "pass svd_rank"),
    ({"adapter_list": ["a"], "combine_strategy": "lora_delta_w_svd", "svd_rank": 33}, "must be from 1 to 32"),
    ({"adapter_list": ["c"], "combine_strategy": "lora_linear_only_negate_b"}, "'c' is more; use 'linear'"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_refusals(arguments: dict, message: str) -> None:
    model = model_with(LoRAConfig(r=2), LoRAConfig(r=2), SeqBnConfig())
    with pytest.raises(AdapterConfigError, match=message):
        model.average_adapter("mean", **arguments)
    assert list(model.adapters_config) == ["a", "b", "c"]


def test_names_that_nobody_has() -> None:
    with pytest.raises(UnknownAdapterError, match="no adapter named d"):
        model_with(SeqBnConfig()).average_adapter("mean", ["a", "d"])


TASK = MTLLoRAConfig(r=2, n_up_projection=2)


def test_shared_parameters_are_trained_together() -> None:
    model = model_with(TASK, TASK)
    model.share_parameters(MultiTask("a", "b"), name="both", reference_adapter_name="b")
    query = model.encoder.layer[0].attention.self.query.loras
    assert query["a"].lora_A is query["b"].lora_A
    assert query["a"].lora_B is query["b"].lora_B
    assert query["a"].weights is not query["b"].weights
    for twin in (copy.deepcopy(model), model):
        loras = twin.encoder.layer[1].attention.self.value.loras
        assert loras["a"].lora_B is loras["b"].lora_B
        twin.unshare_parameters(name="both")
        assert loras["a"].lora_B is not loras["b"].lora_B
        assert torch.equal(loras["a"].lora_B, loras["b"].lora_B)


def test_each_task_gets_its_examples() -> None:
    model, inputs = model_with(TASK, TASK), inputs_for("bert")
    model.share_parameters(["a", "b"])
    expected = []
    for name in ("a", "b"):
        model.set_active_adapters(name)
        expected.append(call(model, inputs)[0])
    model.train_adapter(MultiTask("a", "b"))
    model.eval()
    mixed = model(**inputs, task_ids=torch.tensor([1, 0])).last_hidden_state
    torch.testing.assert_close(mixed, torch.stack([expected[1][0], expected[0][1]]), atol=1e-5, rtol=1e-5)
    mixed.sum().backward()
    trained = {name for name, value in model.named_parameters() if value.grad is not None and value.grad.any()}
    query = "encoder.layer.0.attention.self.query.loras"
    assert {f"{query}.a.weights", f"{query}.b.weights", f"{query}.a.lora_A"} <= trained
    assert all(".loras." in name for name in trained)


def test_shared_parameters_outlive_one_of_the_adapters(tmp_path) -> None:
    model, inputs = model_with(TASK, TASK), inputs_for("bert")
    model.share_parameters(["a", "b"])
    model.set_active_adapters("b")
    expected = call(model, inputs)
    model.save_adapter(tmp_path, "b")
    model.delete_adapter("a")
    assert_identical(call(model, inputs), expected)
    model.unshare_parameters(["a", "b"])
    assert_identical(call(model, inputs), expected)
    again = fresh("bert")
    again.load_adapter(tmp_path, set_active=True)
    assert_identical(call(again, inputs), expected)


def test_checkpoints_of_a_trainer_hold_shared_parameters(tmp_path) -> None:
    """A Trainer passes a state dict, and reads it back into a model that shares, too."""
    model = model_with(TASK, TASK)
    model.share_parameters(["a", "b"])
    state = {key: value.clone() for key, value in model.state_dict().items()}
    model.save_pretrained(tmp_path, state_dict=model.state_dict())
    stored = load_file(tmp_path / "model.safetensors")
    assert stored.keys() == state.keys()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    model.load_state_dict(stored)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    query = model.encoder.layer[0].attention.self.query.loras
    assert query["a"].lora_A is query["b"].lora_A


def test_what_cannot_be_shared_is_refused() -> None:
    model = model_with(TASK, TASK, SeqBnConfig(), MTLLoRAConfig(r=3))
    for names, message in (
        (["a", "c"], "different configurations"),
        (["a", "d"], "different configurations"),
        (["a"], "at least two"),
    ):
        with pytest.raises(AdapterConfigError, match=message):
            model.share_parameters(names)
    with pytest.raises(AdapterConfigError, match="must be one of them"):
        model.share_parameters(["a", "b"], reference_adapter_name="d")
    with pytest.raises(UnknownAdapterError, match="no adapters share parameters as 'a,b'"):
        model.unshare_parameters(["a", "b"])
    model.share_parameters(["a", "b"])
    with pytest.raises(AdapterExistsError, match="there is a group 'a,b'"):
        model.share_parameters(["a", "b"])
    other = model_with(PrefixTuningConfig(), PrefixTuningConfig())
    with pytest.raises(AdapterConfigError, match="has no A and B to share"):
        other.share_parameters(["a", "b"])
