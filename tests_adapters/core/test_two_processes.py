"""Training in two processes, by loops of one's own: DistributedDataParallel and FSDP2 do what one process does."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from transformers import LlamaForCausalLM, PreTrainedModel

import generated
from generated import Fuse
from generated.core import fusions
from generated.core.errors import (
    AdapterConfigError,
    AdapterError,
    AdapterFileError,
    EmbeddingsError,
    TrainingSetupError,
)
from generated.core.lifecycle import adapter_tensors
from tests_adapters.core.processes import WORLD, in_two
from tests_adapters.core.zoo import METHODS, VOCABULARY, build, call, inputs_for


ROWS, ACCUMULATED, UPDATES = 8, 2, 3
SOME = ("seq_bn", "lora", "prefix_tuning", "loreft", "fusion")
EVERY = (*METHODS, "fusion")


def made(method: str) -> PreTrainedModel:
    """Two adapters, of which one is trained, or a mixture of two that are not. There is no dropout."""
    model = generated.init(build("llama", LlamaForCausalLM))
    torch.manual_seed(2)
    for name in ("trained", "idle"):
        model.add_adapter(name, config=METHODS["seq_bn" if method == "fusion" else method]())
    if method == "fusion":
        model.add_adapter_fusion(["trained", "idle"])
        model.train_adapter_fusion(Fuse("trained", "idle"))
    else:
        model.train_adapter("trained")
    return model.eval()


def shard(model: PreTrainedModel) -> PreTrainedModel:
    for layer in (*model.model.layers, model):
        fully_shard(layer)
    return model


def spread(model: PreTrainedModel, engine: str) -> nn.Module:
    if engine == "fsdp2":
        return shard(model)
    return DistributedDataParallel(model, find_unused_parameters=False)


def losses(model: nn.Module, rank: int = 0, world: int = 1) -> list[float]:
    """Of the same batches, whatever the number of processes; each update is made from several batches."""
    tokens = torch.randint(3, VOCABULARY, (ROWS, 7), generator=torch.Generator().manual_seed(1))
    batches = tokens.chunk(world)[rank].chunk(ACCUMULATED)
    trained = (value for value in model.parameters() if value.requires_grad)
    optimizer = torch.optim.SGD(trained, lr=0.1, momentum=0.9)  # Adam would make much of roundings about zero
    found = []
    for _ in range(UPDATES):
        total = torch.zeros(())
        for batch in batches:
            with _without_exchange(model, last=batch is batches[-1]):
                loss = model(input_ids=batch, labels=batch).loss / ACCUMULATED
                loss.backward()
            total += loss.detach()
        optimizer.step()
        optimizer.zero_grad()
        found.append(_mean(total))
    return found


def _without_exchange(model: nn.Module, *, last: bool) -> object:
    if isinstance(model, DistributedDataParallel) and not last:
        return model.no_sync()
    if hasattr(model, "set_requires_gradient_sync"):
        model.set_requires_gradient_sync(last)
    return nullcontext()


def _mean(value: Tensor) -> float:
    if distributed.is_initialized():
        distributed.all_reduce(value)
        value /= distributed.get_world_size()
    return value.item()


def weights(model: PreTrainedModel, method: str) -> dict[str, Tensor]:
    """All of both adapters, and of the mixture."""
    found = adapter_tensors(model.base_model, "trained") | adapter_tensors(model.base_model, "idle")
    if method == "fusion":
        found |= fusions.fusion_tensors(model.base_model, "trained,idle")
    return {name: tensor.detach().clone() for name, tensor in found.items()}


def train_and_save(engine: str, methods: tuple[str, ...], folder: Path) -> dict[str, list[float]]:
    found, rank = {}, distributed.get_rank()
    for method in methods:
        model = made(method)
        found[method] = losses(spread(model, engine), rank, WORLD)
        if engine == "fsdp2" or rank == 0:
            model.save_all_adapters(folder / method, with_head=False)
            model.save_all_adapter_fusions(folder / method)
    return found


def assert_as_in_one_process(engine: str, methods: tuple[str, ...], folder: Path) -> None:
    """Losses, and what is read into a model that knows of no processes."""
    first, second = in_two(train_and_save, engine, methods, folder)
    assert first == second
    for method in methods:
        alone = made(method)
        before = weights(alone, method)
        assert first[method] == pytest.approx(losses(alone), abs=1e-5), method
        expected = weights(alone, method)
        plain = generated.init(build("llama", LlamaForCausalLM))
        plain.load_all_adapters(folder / method)
        plain.load_all_adapter_fusions(folder / method)
        read = weights(plain, method)
        assert read.keys() == expected.keys()
        for name, tensor in read.items():
            torch.testing.assert_close(tensor, expected[name], atol=1e-5, rtol=0, msg=f"{method}: {name}")
        changed = {name for name in read if not torch.equal(read[name], before[name])}
        assert changed
        assert not any(".idle." in name for name in changed)


def test_data_parallel(tmp_path: Path) -> None:
    assert_as_in_one_process("ddp", SOME, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ddp", "fsdp2"])
def test_every_method(engine: str, tmp_path: Path) -> None:
    assert_as_in_one_process(engine, EVERY, tmp_path)


def on_shards(folder: Path) -> dict[str, object]:
    """What is done with adapters of a model whose layers are sharded; before and after a pass that gathers weights."""
    model, inputs = made("lora"), inputs_for("llama")
    for index, name in enumerate(("trained", "idle")):
        _make_random(model, name, seed=index)
    model.save_adapter(folder / "before", "trained", with_head=False)
    expected = call(model, inputs)
    model = shard(model)
    assert all(torch.equal(a, b) for a, b in zip(call(model, inputs), expected, strict=True))
    model.save_adapter(folder / "after", "trained", with_head=False)
    model.save_adapter(folder / "peft", "trained", with_head=False, format="peft")
    for strategy in ("linear", "lora_delta_w_svd"):
        model.average_adapter(strategy, ["trained", "idle"], combine_strategy=strategy, svd_rank=2)
        model.save_adapter(folder / strategy, strategy, with_head=False)
    model.add_adapter("late", config="lora")
    refused = {}
    attempts = {
        "training": lambda: model.train_adapter("late"),
        "fusion": lambda: _train_late_fusion(model),
        "sharing": lambda: model.share_parameters(["trained", "idle"]),
        "embeddings": lambda: model.save_embeddings(folder / "embeddings", "default"),
        "whole": lambda: model.save_pretrained(folder / "whole"),
        "merging": lambda: model.merge_adapter("trained"),
    }
    for name, attempt in attempts.items():
        try:
            attempt()
        except AdapterError as error:
            refused[name] = (type(error), str(error))
    model.train_adapter("idle")
    return refused | {"trained": [name for name, value in model.named_parameters() if value.requires_grad]}


def _make_random(model: PreTrainedModel, name: str, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in adapter_tensors(model.base_model, name).values():
            tensor.copy_(0.3 * torch.randn(tensor.shape, generator=generator))


def _train_late_fusion(model: PreTrainedModel) -> None:
    model.add_adapter("late_bn", config="seq_bn")
    model.add_adapter("later_bn", config="seq_bn")
    model.add_adapter_fusion(["late_bn", "later_bn"])
    model.train_adapter_fusion(Fuse("late_bn", "later_bn"))


@pytest.mark.slow
def test_sharded_adapters(tmp_path: Path) -> None:
    """They are written whole, in each format, and averaged; what FSDP would undo or miss is refused."""
    first, second = in_two(on_shards, tmp_path)
    assert first == second
    whole = made("lora")
    for index, name in enumerate(("trained", "idle")):
        _make_random(whole, name, seed=index)
    expected = weights(whole, "lora")
    for folder in ("before", "after", "peft"):
        read = generated.init(build("llama", LlamaForCausalLM))
        read.load_adapter(tmp_path / folder, load_as="trained")
        for name, tensor in adapter_tensors(read.base_model, "trained").items():
            assert torch.equal(tensor, expected[name]), f"{folder}: {name}"
    for strategy in ("linear", "lora_delta_w_svd"):
        whole.average_adapter(strategy, ["trained", "idle"], combine_strategy=strategy, svd_rank=2)
        read = generated.init(build("llama", LlamaForCausalLM))
        read.load_adapter(tmp_path / strategy)
        for name, tensor in adapter_tensors(read.base_model, strategy).items():
            torch.testing.assert_close(tensor, adapter_tensors(whole.base_model, strategy)[name])

    trained = first.pop("trained")
    assert trained
    assert all(".idle." in name for name in trained)
    kinds = {
        "training": TrainingSetupError,
        "fusion": TrainingSetupError,
        "sharing": AdapterConfigError,
        "embeddings": EmbeddingsError,
        "whole": AdapterFileError,
    }
    assert {name: kind for name, (kind, _) in first.items() if name != "merging"} == kinds
    assert all("shard" in message for _, message in first.values())
    assert "merging" in first
    assert not (tmp_path / "whole").exists()
