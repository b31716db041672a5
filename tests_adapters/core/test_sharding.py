"""Layers that FSDP shards: before `init` they are refused, after it every method gives the same numbers."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import LlamaForCausalLM

import generated
from generated.core.errors import AdapterError, SwapError
from tests_adapters.core.zoo import (
    METHODS,
    add_random,
    assert_identical,
    build,
    build_adapted,
    call,
    differ,
    each_method,
    inputs_for,
)


@pytest.fixture(autouse=True)
def _one_process() -> Iterator[None]:
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def shard(model: nn.Module) -> None:
    mesh = init_device_mesh("cpu", (1,))
    for layer in (*model.model.layers, model):
        fully_shard(layer, mesh=mesh)


def test_sharded_layers_are_refused() -> None:
    model = build("llama", LlamaForCausalLM)
    shard(model)
    with pytest.raises(SwapError, match="before `fully_shard`"):
        generated.init(model)


@each_method
def test_adapted_layers_are_sharded(method: str) -> None:
    model, inputs = build_adapted("llama", method, LlamaForCausalLM), inputs_for("llama")
    plain, expected = call(build("llama", LlamaForCausalLM), inputs), call(model, inputs)
    shard(model)
    assert_identical(call(model, inputs), expected)
    model.train_adapter(method)
    model(**inputs).logits.square().mean().backward()
    missing = [
        name for name, parameter in model.named_parameters() if parameter.requires_grad and parameter.grad is None
    ]
    assert not missing
    model.set_active_adapters(None)
    assert_identical(call(model.eval(), inputs), plain)


@pytest.mark.parametrize("method", [method for method in METHODS if method != "dora"])
def test_adapters_that_come_to_sharded_layers(method: str) -> None:
    model, inputs = generated.init(build("llama", LlamaForCausalLM)), inputs_for("llama")
    plain = call(model, inputs)
    shard(model)
    add_random(model, "late", METHODS[method]())
    assert differ(call(model, inputs), plain)
    model.delete_adapter("late")
    assert_identical(call(model, inputs), plain)


def test_sharded_weights_are_not_read() -> None:
    """DoRA starts from the weights of the model, and merging changes them."""
    model = build_adapted("llama", "lora", LlamaForCausalLM)
    shard(model)
    for refused in (lambda: model.add_adapter("dora", config="dora"), lambda: model.merge_adapter("lora")):
        with pytest.raises(AdapterError, match="sharded"):
            refused()
    assert list(model.adapters_config) == ["lora"]
