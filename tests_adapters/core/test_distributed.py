"""Everything that is trained gets a gradient in each step: DistributedDataParallel waits for it forever otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from transformers import BertForMaskedLM, PreTrainedModel

import generated
from generated import Fuse, Stack
from tests_adapters.core.made_tokenizer import made_tokenizer
from tests_adapters.core.zoo import LANGUAGE_MODELS, METHODS, build, each_method, inputs_for


@pytest.fixture(autouse=True)
def group() -> Iterator[None]:
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def with_adapters(architecture: str, method: str = "seq_bn") -> PreTrainedModel:
    model = generated.init(build(architecture, LANGUAGE_MODELS[architecture]))
    for name in ("a", "b", "c"):
        model.add_adapter(name, config=METHODS[method]())
    return model


def steps(model: nn.Module, architecture: str) -> None:
    """Two: what had no gradient in the first one is missed in the second."""
    parallel = DistributedDataParallel(model, find_unused_parameters=False)
    inputs = inputs_for(architecture)
    for _ in range(2):
        parallel(**inputs, labels=inputs["input_ids"]).loss.backward()


@each_method
@pytest.mark.parametrize("architecture", ["bert", "llama", "t5"])
def test_one_of_several_adapters(architecture: str, method: str) -> None:
    model = with_adapters(architecture, method)
    model.train_adapter("a")
    steps(model, architecture)


@pytest.mark.parametrize("unfreeze", [False, True])
@pytest.mark.parametrize("architecture", ["bert", "bart"])
def test_compositions(architecture: str, unfreeze: bool) -> None:
    model = with_adapters(architecture)
    model.train_adapter(Stack("a", "b"))
    steps(model, architecture)
    model.add_adapter_fusion(["a", "b"])
    model.add_adapter_fusion(["b", "c"])
    model.train_adapter_fusion(Fuse("a", "b"), unfreeze_adapters=unfreeze)
    steps(model, architecture)


def test_heads_with_names() -> None:
    model = build("bert", generated.BertAdapterModel)
    for name in ("a", "b"):
        model.add_masked_lm_head(name)
        model.add_adapter(name)
    model.train_adapter("a")
    steps(model, "bert")


def test_embeddings_that_are_not_in_use() -> None:
    model = with_adapters("bert")
    size = model.config.vocab_size
    model.add_embeddings("other", made_tokenizer(map(str, range(size))))
    model.train_adapter("a", train_embeddings=True)
    steps(model, "bert")


def test_an_adapter_that_is_not_active_would_be_missed() -> None:
    """The check itself: this is what `train_adapter` prevents."""
    model = with_adapters("bert")
    model.train_adapter("a")
    for name, parameter in model.named_parameters():
        if ".b." in name:
            parameter.requires_grad_(True)
    with pytest.raises(RuntimeError, match="finished reduction"):
        steps(model, "bert")


@pytest.mark.parametrize("train_head", [False, True])
def test_a_head_is_trained_or_not(train_head: bool) -> None:
    """The transform of a masked language model is part of the head."""
    model = generated.init(build("bert", BertForMaskedLM))
    model.add_adapter("a")
    model.train_adapter("a", train_head=train_head)
    steps(model, "bert")
    trained = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert any(name.startswith("cls.predictions.transform") for name in trained) == train_head
    assert not any(parameter.requires_grad for parameter in model.get_output_embeddings().parameters())
    model.train_adapter("a")
    assert model.cls.predictions.transform.dense.weight.requires_grad


def test_a_head_with_a_name_is_frozen_on_request() -> None:
    model = build("bert", generated.BertAdapterModel)
    model.add_masked_lm_head("a")
    model.add_adapter("a")
    model.add_adapter("b")
    model.add_adapter_fusion(["a", "b"])
    model.train_adapter("a", train_head=False)
    assert not any(parameter.requires_grad for parameter in model.heads.parameters())
    model.train_adapter_fusion(Fuse("a", "b"), train_head=False)
    assert not any(parameter.requires_grad for parameter in model.heads.parameters())
