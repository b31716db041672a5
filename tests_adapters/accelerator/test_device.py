"""What an accelerator computes with adapters is what the CPU computes: any precision, any attention kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers.utils import is_flash_attn_2_available

import generated
from generated.core.composition import BatchSplit, Parallel, Stack
from tests_adapters.core.trainer_setups import flexible, trainer_for, with_adapter
from tests_adapters.core.zoo import (
    LANGUAGE_MODELS,
    METHODS,
    adapter_parameters,
    add_random,
    build,
    build_adapted,
    call,
    each_architecture,
    each_method,
    floats,
    inputs_for,
)


PLAIN = "lora"  # a method that any attention takes
KERNELS = {"sdpa": torch.float32, "flex_attention": torch.float32, "flash_attention_2": torch.bfloat16}
METHODS_OF_KERNELS = ("seq_bn", "lora", "ia3", "prefix_tuning_flat", "loreft")
BLOCKS = {
    "stack": Stack("a", "bb"),
    "parallel": Parallel("a", "bb"),
    "batch_split": BatchSplit("a", "bb", batch_sizes=[1, 1]),
}


def on(device: torch.device, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in inputs.items()}


def expect_close(got: list[Tensor], expected: list[Tensor], **tolerance: float) -> None:
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one.cpu(), other.cpu(), check_dtype=False, **tolerance)


@each_method
@each_architecture
def test_it_computes_what_the_cpu_computes(architecture: str, method: str, device: torch.device) -> None:
    model, inputs = build_adapted(architecture, method), inputs_for(architecture)
    expected = call(model, inputs)
    expect_close(call(model.to(device), on(device, inputs)), expected, atol=1e-4, rtol=1e-3)


@each_method
def test_new_adapters_are_where_the_model_is(method: str, device: torch.device) -> None:
    model = generated.init(build("llama")).to(device)
    add_random(model, method, METHODS[method]())
    assert {parameter.device.type for parameter in adapter_parameters(model, method)} == {device.type}


@each_method
def test_files_are_those_of_any_device(method: str, device: torch.device, tmp_path: Path) -> None:
    model, inputs = build_adapted("llama", method).to(device), inputs_for("llama")
    model.save_adapter(tmp_path, method)
    again = generated.init(build("llama"))
    again.load_adapter(tmp_path, set_active=True)
    expect_close(call(model, on(device, inputs)), call(again, inputs), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("method", ["seq_bn", "prefix_tuning"])
def test_blocks(method: str, block: str, device: torch.device) -> None:
    model, inputs = generated.init(build("llama")), inputs_for("llama")
    for name in ("a", "bb"):
        add_random(model, name, METHODS[method]())
    model.set_active_adapters(BLOCKS[block])
    expected = call(model, inputs)
    expect_close(call(model.to(device), on(device, inputs)), expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("method", METHODS_OF_KERNELS)
def test_attention_kernels(method: str, kernel: str, device: torch.device) -> None:
    """Against attention that is written out, without padding: what a kernel gives there is its own affair."""
    if kernel == "flash_attention_2" and not (device.type == "cuda" and is_flash_attn_2_available()):
        pytest.skip("flash attention needs CUDA and the package flash-attn")
    dtype = KERNELS[kernel]
    inputs = on(device, {"input_ids": inputs_for("llama")["input_ids"]})
    outputs = [
        call(build_adapted("llama", method, attention=attention).to(device, dtype), inputs)
        for attention in (kernel, "eager")
    ]
    rough = {"atol": 5e-2, "rtol": 5e-2} if dtype == torch.bfloat16 else {"atol": 1e-4, "rtol": 1e-3}
    expect_close(*outputs, **rough)


@each_method
def test_autocast(method: str, device: torch.device) -> None:
    """A training step in bfloat16: adapters keep their precision, learn, and nothing else does."""
    model, inputs = build_adapted("llama", method, LANGUAGE_MODELS["llama"]).to(device), inputs_for("llama")
    model.train_adapter(method)
    own = {id(parameter) for parameter in adapter_parameters(model.base_model, method)}
    with torch.autocast(device.type, dtype=torch.bfloat16):
        loss = model(**on(device, inputs | {"labels": inputs["input_ids"]})).loss
    loss.backward()
    learning = [parameter for parameter in model.parameters() if parameter.grad is not None]
    assert {id(parameter) for parameter in learning} <= own
    assert learning
    assert all(parameter.dtype == torch.float32 and parameter.grad.isfinite().all() for parameter in learning)


@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
@pytest.mark.parametrize("method", ["seq_bn", "lora", "ia3", "prefix_tuning_flat"])
def test_compiled(method: str, mode: str, device: torch.device) -> None:
    """Without a break in the graph. With "reduce-overhead" CUDA records it, and replays it in later calls."""
    model, inputs = build_adapted("llama", method).to(device), on(device, inputs_for("llama"))
    expected = call(model, inputs)
    compiled = torch.compile(model, fullgraph=True, mode=mode)
    for _ in range(3):
        torch.compiler.cudagraph_mark_step_begin()
        with torch.no_grad():
            expect_close(floats(compiled(**inputs)), expected, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("architecture", ["llama", "t5"])
@pytest.mark.parametrize("method", ["seq_bn", "lora", "prefix_tuning_flat"])
def test_texts(method: str, architecture: str, device: torch.device) -> None:
    """Written greedily, with a cache: the tokens of the CPU."""
    model = build_adapted(architecture, method, LANGUAGE_MODELS[architecture])
    inputs = {"input_ids": inputs_for(architecture)["input_ids"]}
    options: dict[str, Any] = {"max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False}
    expected = model.generate(**inputs, **options)
    assert torch.equal(model.to(device).generate(**on(device, inputs), **options).cpu(), expected)


def test_trainer(device: torch.device, tmp_path: Path) -> None:
    """In bfloat16, to a checkpoint that any device reads."""
    model = with_adapter(kind=flexible)
    trainer_for(model, tmp_path, max_steps=2, bf16=True, use_cpu=device.type == "cpu").train()
    assert {parameter.device.type for parameter in model.parameters()} == {device.type}
    model.save_adapter(tmp_path / "task", "task")
    again = flexible()
    again.load_adapter(tmp_path / "task", set_active=True)
    weights, read = (list(adapter_parameters(each.base_model, "task")) for each in (model, again))
    assert weights
    assert all(torch.equal(one.cpu(), other) for one, other in zip(weights, read, strict=True))


def test_peak_memory(device: torch.device) -> None:
    """A training step of LoRA takes less than one of the whole model: no gradients and moments of the base."""
    if device.type != "cuda":
        pytest.skip("only CUDA counts what it has given out")

    def peak(model: nn.Module) -> int:
        model = model.to(device).train()
        inputs = on(device, inputs_for("llama"))
        torch.cuda.reset_peak_memory_stats()
        optimizer = torch.optim.AdamW(each for each in model.parameters() if each.requires_grad)
        model(**inputs, labels=inputs["input_ids"]).loss.backward()
        optimizer.step()
        return torch.cuda.max_memory_allocated()

    sizes = {"hidden_size": 512, "intermediate_size": 1024}
    adapted = generated.init(build("llama", LANGUAGE_MODELS["llama"], **sizes))
    add_random(adapted, PLAIN, METHODS[PLAIN]())
    adapted.train_adapter(PLAIN)
    assert peak(adapted) < 0.6 * peak(build("llama", LANGUAGE_MODELS["llama"], **sizes))
