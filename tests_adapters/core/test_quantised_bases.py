"""Adapters of every method on a base whose linear maps are quantised, whatever their classes are called."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import BertForSequenceClassification

import generated
from generated.core.errors import AdapterFileError, TrainingSetupError, UnsupportedMethodError
from generated.core.layers.lora import LoRALinearMixin
from tests_adapters.core.linear_maps import KernelLinear, PackedLinear, quantized
from tests_adapters.core.made_data import assert_equal, trained_weights
from tests_adapters.core.trainer_setups import losses, trainer_for
from tests_adapters.core.zoo import (
    METHODS,
    adapter_parameters,
    add_random,
    assert_identical,
    build,
    call,
    differ,
    each_method,
    fresh,
    inputs_for,
)


ARCHITECTURES = ("llama", "bert")  # without and with a bias
INPUTS = {architecture: inputs_for(architecture) for architecture in ARCHITECTURES}
MERGEABLE = ("lora", "ia3", "dora", "vera", "mtl_lora")


def packed(architecture: str) -> nn.Module:
    return generated.init(quantized(build(architecture), PackedLinear))


def dequantized(architecture: str) -> nn.Module:
    """The same model, with the matrices that the packed maps stand for."""
    model = build(architecture)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.weight.data = PackedLinear(module).unpacked()
    return generated.init(model)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@each_method
def test_it_acts_as_on_the_matrices_themselves(architecture: str, method: str) -> None:
    quantised, plain = packed(architecture), dequantized(architecture)
    for model in (quantised, plain):
        add_random(model, method, METHODS[method]())
    torch.testing.assert_close(call(quantised, INPUTS[architecture])[0], call(plain, INPUTS[architecture])[0])


@each_method
def test_its_own_weights_alone_are_trained_in_a_type_that_can_learn(method: str) -> None:
    model = packed("llama")
    model.add_adapter(method, config=METHODS[method]())
    model.train_adapter(method)
    model(**INPUTS["llama"])[0].square().mean().backward()
    own = {id(parameter) for parameter in adapter_parameters(model, method)}
    assert {parameter.dtype for parameter in adapter_parameters(model, method)} == {torch.float32}
    assert {id(parameter) for parameter in model.parameters() if parameter.grad is not None} == own


@each_method
def test_its_files_are_those_of_any_base(method: str, tmp_path: Path) -> None:
    """Saved from a packed base, it acts on it and on another as if it had been made there."""
    model, again, plain, expected = packed("llama"), packed("llama"), dequantized("llama"), dequantized("llama")
    for each in (model, expected):
        add_random(each, method, METHODS[method]())
    model.save_adapter(tmp_path, method)
    for each in (again, plain):
        each.load_adapter(tmp_path, set_active=True)
    assert_identical(call(again, INPUTS["llama"]), call(model, INPUTS["llama"]))
    assert_identical(call(plain, INPUTS["llama"]), call(expected, INPUTS["llama"]))


@pytest.mark.parametrize("method", MERGEABLE)
def test_it_is_not_merged_and_leaves_no_trace(method: str) -> None:
    model = packed("bert")
    before, classes = call(model, INPUTS["bert"]), [type(module) for module in model.modules()]
    add_random(model, method, METHODS[method]())
    acting = call(model, INPUTS["bert"])
    with pytest.raises(UnsupportedMethodError, match=r"query is quantised|key is quantised"):
        model.merge_adapter(method)
    assert_identical(call(model, INPUTS["bert"]), acting)
    assert differ(acting, before)
    model.delete_adapter(method)
    assert_identical(call(model, INPUTS["bert"]), before)
    assert [type(module) for module in model.modules()] == classes


def test_the_type_is_that_of_what_is_not_quantised() -> None:
    model = packed("llama").to(torch.bfloat16)
    add_random(model, "task", METHODS["lora"]())
    assert {parameter.dtype for parameter in adapter_parameters(model, "task")} == {torch.bfloat16}
    assert call(model, INPUTS["llama"])[0].dtype == torch.bfloat16


def test_maps_of_buffers_alone() -> None:
    """Their device is that of the buffers, their type that of the model, and their bias what their method gives."""
    model, plain = generated.init(quantized(build("bert"), KernelLinear)), dequantized("bert")
    for each in (model, plain):
        add_random(each, "task", METHODS["dora"]().replace(dora_as_published=True))
    torch.testing.assert_close(call(model, INPUTS["bert"])[0], call(plain, INPUTS["bert"])[0])


@pytest.mark.parametrize("method", ["lora", "prefix_tuning"])
def test_where_gradients_end_nothing_is_trained(method: str) -> None:
    model = generated.init(quantized(build("bert"), KernelLinear))
    model.add_adapter(method, config=METHODS[method]())
    with pytest.raises(TrainingSetupError, match=r"gradients end at encoder\.layer\.\S+ \(KernelLinear\)"):
        model.train_adapter(method)
    assert model.active_adapters is None
    assert not model.training


@pytest.mark.filterwarnings("ignore")  # torch.ao is deprecated, and says so
def test_kernels_without_a_derivative() -> None:
    """Of which PyTorch warns in backward, and goes on."""
    model = torch.ao.quantization.quantize_dynamic(build("bert"), {nn.Linear}, dtype=torch.qint8)
    add_random(generated.init(model), "task", METHODS["lora"]())
    with pytest.raises(TrainingSetupError, match="gradients end at encoder"):
        model.train_adapter("task")
    assert differ(call(model, INPUTS["bert"]), call(fresh("bert"), INPUTS["bert"]))


def test_a_map_that_wants_another_input_is_left_to_itself() -> None:
    class Particular(PackedLinear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert x.dim() == 3
            return super().forward(x)

    model = generated.init(quantized(build("llama"), Particular))
    model.add_adapter("task", config="lora")
    model.train_adapter("task")
    model(**INPUTS["llama"])[0].sum().backward()
    assert all(parameter.grad is not None for parameter in adapter_parameters(model, "task"))


def test_maps_of_plain_matrices_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fresh("llama")
    model.add_adapter("task", config="lora")
    monkeypatch.setattr(nn.Linear, "forward", lambda *_: pytest.fail("it was run"))
    model.train_adapter("task")
    assert any(isinstance(module, LoRALinearMixin) for module in model.modules())


class Evaluated(PackedLinear):
    """Packed for inference when it is called in eval mode, and passes no gradients on from then on."""

    is_packed = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.is_packed = self.is_packed or not (self.training or x.requires_grad)
        output = super().forward(x)
        return output.detach() if self.is_packed else output


def test_evaluation_that_ends_gradients_is_noticed(tmp_path: Path) -> None:
    model = generated.init(quantized(build("bert", BertForSequenceClassification), Evaluated))
    model.add_adapter("task", config=METHODS["dora"]())  # which asks maps for their matrices, and packs none
    model.train_adapter("task")
    assert not any(module.is_packed for module in model.modules() if isinstance(module, Evaluated))
    trainer = trainer_for(model, tmp_path, eval_strategy="epoch")
    with pytest.raises(TrainingSetupError, match=r"gradients end at encoder\.layer\.\S+ \(Evaluated\)"):
        trainer.train()
    assert trainer.state.global_step == 4  # an epoch
    with pytest.raises(TrainingSetupError, match="load it anew"):
        model.train_adapter("task")


def with_packed_head(make: type[nn.Module] = PackedLinear) -> nn.Module:
    model = generated.init(quantized(build("bert", BertForSequenceClassification), make))
    torch.manual_seed(2)
    model.add_adapter("task", config=METHODS["seq_bn"]())
    model.train_adapter("task")
    return model


def test_of_a_quantised_head_what_can_learn_is_trained(tmp_path: Path) -> None:
    """And a break changes nothing."""
    model = with_packed_head()
    assert list(model.quantised_head_maps()) == ["classifier"]
    assert [name for name, parameter in model.head_parameters() if parameter.requires_grad] == ["classifier.bias"]
    packed = model.classifier.weight.clone()
    whole = trainer_for(model, tmp_path)
    whole.train()
    assert torch.equal(model.classifier.weight, packed)
    resumed = trainer_for(with_packed_head(), tmp_path)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    assert losses(resumed) == losses(whole)
    assert_equal(trained_weights(resumed.model), trained_weights(model))


@pytest.mark.parametrize("make", [PackedLinear, KernelLinear])
def test_files_of_a_quantised_head_are_those_of_any(make: type[nn.Module], tmp_path: Path) -> None:
    model = generated.init(quantized(build("bert", BertForSequenceClassification), make))
    bias = torch.tensor([0.5, -0.25])
    (model.classifier.bias if make is PackedLinear else model.classifier.packed_bias).data.copy_(bias)
    model.save_head(tmp_path / "packed")
    plain, again = (generated.init(build("bert", BertForSequenceClassification)) for _ in range(2))
    plain.load_head(tmp_path / "packed")
    torch.testing.assert_close(plain.classifier.weight, model.classifier.unpacked())
    assert torch.equal(plain.classifier.bias, bias)

    model.load_head(tmp_path / "packed")
    again.classifier.weight.data.mul_(-1)
    again.save_head(tmp_path / "other")
    before = call(model, INPUTS["bert"])
    with pytest.raises(
        AdapterFileError, match=r"quantised otherwise: classifier\.weight; load the model with classif"
    ):
        model.load_head(tmp_path / "other")
    assert_identical(call(model, INPUTS["bert"]), before)


def test_reparametrised_heads_are_not_quantised(tmp_path: Path) -> None:
    model = generated.init(build("bert", BertForSequenceClassification))
    nn.utils.parametrizations.weight_norm(model.classifier)
    assert not model.quantised_head_maps()
    assert sum(parameter.numel() for _, parameter in model.head_parameters()) == 2 * 32 + 2 + 2
