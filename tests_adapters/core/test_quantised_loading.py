"""Adapters on what `from_pretrained` quantises, by torchao and bitsandbytes: the whole life of each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import cpu_offload
from torch import Tensor, nn
from transformers import PreTrainedModel

from generated.core.errors import AdapterFileError, TrainingSetupError, UnsupportedMethodError
from generated.core.layers.lora import is_quantised
from tests_adapters.core.made_data import assert_equal
from tests_adapters.core.quantisers import LABELS, ROUTES, SIX, TRAINABLE, fixed, flexible, saved, scheme_param
from tests_adapters.core.trainer_setups import losses, trainer_for
from tests_adapters.core.zoo import METHODS, adapter_parameters, assert_identical, call, differ, inputs_for


NAME = "default"  # also of the head that an adapter model makes of that in the checkpoint, so that it is saved with it
MERGEABLE = ("lora", "dora", "ia3")
USUAL = ("torchao int8", "bitsandbytes int8", "bitsandbytes nf4")
LOSS = {"labels": torch.tensor([0, 1])}


def cases() -> Iterator[Any]:
    """LLaMA, whose head is not quantised, in the usual ways; all else is slow."""
    for scheme in TRAINABLE:
        for architecture in ("llama", "bert"):
            for route in ROUTES:
                is_usual = architecture == "llama" and scheme in USUAL
                marks = () if is_usual else (pytest.mark.slow,)
                yield scheme_param(scheme, architecture, route, marks=marks)


each_scheme = pytest.mark.parametrize("scheme", [scheme_param(scheme) for scheme in TRAINABLE])


def with_adapter(model: PreTrainedModel, method: str) -> PreTrainedModel:
    torch.manual_seed(2)
    model.add_adapter(NAME, config=METHODS[method]())
    model.train_adapter(NAME)
    return model


def frozen_bits(model: nn.Module) -> dict[str, Tensor]:
    """All that a model holds and does not train; of tensors of other kinds what a matrix product makes of them."""
    held = ((name, value) for name, value in model.named_parameters() if not value.requires_grad)
    return {name: _plain(value).clone() for name, value in held}


def _plain(value: Tensor) -> Tensor:
    is_packed = type(value) is not nn.Parameter and hasattr(value, "dequantize") and value.is_floating_point()
    return value.dequantize() if is_packed else value.detach().data


@pytest.mark.parametrize("method", SIX)
@pytest.mark.parametrize(("scheme", "architecture", "route"), [*cases()])
def test_a_life(scheme: str, architecture: str, route: str, method: str, tmp_path: Path) -> None:
    """Trained, broken off and resumed, saved, loaded into the same and into a plain base, not merged, and deleted."""
    load, checkpoint, inputs = ROUTES[route], saved(tmp_path, architecture), inputs_for(architecture)
    model = load(checkpoint, scheme)
    assert any(map(is_quantised, model.base_model.modules()))
    classes = [type(module) for module in model.modules()]

    with_adapter(model, method)
    own = list(adapter_parameters(model, NAME))
    model(**inputs, **LOSS).loss.backward()
    assert all(parameter.grad is not None for parameter in own)
    assert {parameter.dtype for parameter in own} == {torch.float32}
    model.zero_grad()

    before, kept = [parameter.detach().clone() for parameter in own], frozen_bits(model)
    options = {"max_steps": 2, "save_strategy": "steps", "save_steps": 1}
    trainer = trainer_for(model, tmp_path / "run", **options)
    trainer.train()
    assert any(not torch.equal(first, second) for first, second in zip(before, own, strict=True))
    assert_equal(frozen_bits(model), kept)

    resumed = trainer_for(with_adapter(load(checkpoint, scheme), method), tmp_path / "run", **options)
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-1"))
    assert losses(resumed) == losses(trainer)
    assert_identical(list(adapter_parameters(resumed.model, NAME)), own)

    model.eval()
    acting = call(model, inputs)
    model.save_adapter(tmp_path / "saved", NAME)
    assert_identical(call(model, inputs), acting)
    again, plain = load(checkpoint, scheme).eval(), load(checkpoint).eval()
    for other in (again, plain):
        other.load_adapter(tmp_path / "saved", set_active=True)
    assert_identical(call(again, inputs), acting)
    assert_identical(list(adapter_parameters(plain, NAME)), own)

    if method in MERGEABLE:
        with pytest.raises(UnsupportedMethodError, match="is quantised"):
            model.merge_adapter(NAME)
        assert_identical(call(model, inputs), acting)
    model.delete_adapter(NAME)
    assert differ(call(model, inputs), acting)
    assert [type(module) for module in model.modules()] == classes
    assert_identical(call(model.base_model, inputs), call(load(checkpoint, scheme).eval().base_model, inputs))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("scheme", [scheme_param("torchao int8 activations")])
def test_activations_that_end_gradients(scheme: str, route: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingSetupError, match="gradients end at"):
        with_adapter(ROUTES[route](saved(tmp_path, "llama"), scheme), "lora")


@each_scheme
def test_a_quantised_head_stands_for_its_matrix(scheme: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """BERT's classifier, which transformers does not leave out."""
    checkpoint, inputs = saved(tmp_path, "bert"), inputs_for("bert")
    model = with_adapter(fixed(checkpoint, scheme), "lora")
    assert list(model.quantised_head_maps()) == ["classifier"]
    assert "classifier of the head: quantised" in caplog.text
    assert [name for name, _ in model.head_parameters()] == ["classifier.bias"]

    with torch.no_grad():
        model.classifier.bias.add_(1)
    model.save_adapter(tmp_path / "saved", NAME)
    plain = fixed(checkpoint)
    original = plain.classifier.weight.detach().clone()
    plain.load_adapter(tmp_path / "saved", set_active=True)
    states = torch.randn(5, original.shape[1], generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(plain.classifier(states), model.classifier(states), atol=0.05, rtol=0.05)
    assert differ([plain.classifier.weight], [original])

    other = fixed(saved(tmp_path / "other", "bert"), scheme)
    other.load_adapter(tmp_path / "saved", set_active=True)  # it stands for the same
    assert_identical([other.classifier.bias], [model.classifier.bias])
    with torch.no_grad():
        plain.classifier.weight.mul_(-1)
    plain.save_adapter(tmp_path / "changed", NAME)
    dropped_out(other)
    before = call(other, inputs)
    with pytest.raises(AdapterFileError, match=r"quantised otherwise: classifier\.weight"):
        other.load_head(tmp_path / "changed")
    assert_identical(call(other, inputs), before)


@each_scheme
@pytest.mark.parametrize("architecture", ["llama", "bert"])
def test_checkpoints_that_are_quantised_already(scheme: str, architecture: str, tmp_path: Path) -> None:
    """Their heads become flexible ones that compute the same, and can be trained."""
    first = fixed(saved(tmp_path, architecture), scheme)
    stored = tmp_path / f"{architecture}-stored"
    first.save_pretrained(stored)
    expected, found = fixed(stored).base_model, flexible(stored)
    for model in (expected, found):
        assert any(map(is_quantised, model.modules()))
        dropped_out(model)
    inputs = inputs_for(architecture)
    assert_identical(call(found.base_model, inputs), call(expected, inputs))

    assert found.heads["default"].config["num_labels"] == LABELS
    head = {name: parameter for name, parameter in found.named_parameters() if name.startswith("heads.default.")}
    assert {parameter.dtype for parameter in head.values()} == {torch.float32}
    fresh = fixed(stored)
    dropped_out(fresh)
    torch.testing.assert_close(call(found, inputs)[0], call(fresh, inputs)[0], atol=0.05, rtol=0.05)
    with_adapter(found, "lora")
    assert all(parameter.requires_grad for parameter in head.values())


def dropped_out(model: nn.Module) -> None:
    """No dropout, although it stays in training mode."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


@pytest.mark.parametrize("scheme", [scheme_param("bitsandbytes nf4"), scheme_param("bitsandbytes nf4 twice")])
def test_evaluation_that_ends_gradients(scheme: str, tmp_path: Path) -> None:
    """On CPUs with instructions for bfloat16, four bits are packed for good when they are called in eval mode."""
    model = with_adapter(fixed(saved(tmp_path, "llama"), scheme), "lora")
    linear = next(module for module in model.modules() if hasattr(module, "support_avx512bf16_for_cpu"))
    if not linear.support_avx512bf16_for_cpu:
        pytest.skip("this CPU has no AVX512-BF16, and nothing is packed")
    trainer = trainer_for(model, tmp_path, max_steps=4, save_strategy="no", eval_strategy="steps", eval_steps=2)
    with pytest.raises(TrainingSetupError, match="gradients end at"):
        trainer.train()
    assert trainer.state.global_step == 2


PLACES = {"model.embed_tokens": "cpu", "model.layers.0": "disk", "model.layers.1": "cpu", "model.norm": "cpu"}
PLACES |= {"model.rotary_emb": "cpu", "score": "cpu"}


@pytest.mark.parametrize("method", SIX)
@pytest.mark.parametrize("scheme", [scheme_param("bitsandbytes int8"), scheme_param("bitsandbytes nf4")])
def test_what_is_offloaded_is_not_quantised(scheme: str, method: str, tmp_path: Path) -> None:
    """bitsandbytes refuses a device map with the disk, unless it may leave what lies there as it is."""
    from transformers import BitsAndBytesConfig

    checkpoint, inputs = saved(tmp_path, "llama"), inputs_for("llama")
    with pytest.raises(ValueError, match="dispatched on the CPU or the disk"):
        fixed(checkpoint, scheme, device_map=PLACES, offload_folder=tmp_path / "offloaded")
    bits = {"load_in_8bit": True} if "int8" in scheme else {"load_in_4bit": True}
    config = BitsAndBytesConfig(**bits, llm_int8_enable_fp32_cpu_offload=True)
    options = {"device_map": PLACES, "offload_folder": tmp_path / "offloaded", "quantization_config": config}
    model = with_adapter(fixed(checkpoint, **options), method).eval()
    assert any(parameter.is_meta for parameter in model.parameters())
    model(**inputs, **LOSS).loss.backward()
    assert all(parameter.grad is not None for parameter in adapter_parameters(model, NAME))
    model.save_adapter(tmp_path / "saved", NAME)
    here = fixed(checkpoint).eval()
    here.load_adapter(tmp_path / "saved", set_active=True)
    assert_identical(call(here, inputs), call(model, inputs))


@pytest.mark.parametrize("method", SIX)
@pytest.mark.parametrize("scheme", [scheme_param("torchao int8"), scheme_param("torchao float8")])
def test_training_above_offloaded_quantised_weights(scheme: str, method: str, tmp_path: Path) -> None:
    """accelerate holds torchao's weights in the memory of the CPU; transformers' device maps want CUDA for that."""
    checkpoint, inputs = saved(tmp_path, "llama"), inputs_for("llama")
    here, there = fixed(checkpoint, scheme), fixed(checkpoint, scheme)
    cpu_offload(there, torch.device("cpu"))
    assert all(parameter.is_meta for parameter in there.parameters())
    found = []
    for model in (here, there):
        with_adapter(model, method).eval()
        loss = model(**inputs, **LOSS).loss
        loss.backward()
        found.append([loss.detach(), *(parameter.grad for parameter in adapter_parameters(model, NAME))])
    assert_identical(*found)
    there.save_adapter(tmp_path / "saved", NAME, with_head=False)
    here.delete_adapter(NAME)
    here.load_adapter(tmp_path / "saved", set_active=True)
    assert_identical(call(here, inputs), call(there, inputs))
