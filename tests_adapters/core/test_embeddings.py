"""Embeddings for other tokenizers: they come, act, and go, and everything that scores tokens follows them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import nn
from transformers import (
    BartConfig,
    BartForCausalLM,
    BertForMaskedLM,
    GPT2LMHeadModel,
    PreTrainedModel,
    T5ForConditionalGeneration,
)

import generated
from generated.core.errors import EmbeddingsError
from tests_adapters.core.embedding_setups import MODELS, OTHER, SAME, assert_same_state, each_model, inputs, state
from tests_adapters.core.made_tokenizer import made_tokenizer
from tests_adapters.core.zoo import (
    LANGUAGE_MODELS,
    METHODS,
    VOCABULARY,
    add_random,
    assert_identical,
    build,
    call,
    fresh,
    tree,
)


@each_model
def test_other_embeddings_act_and_the_first_ones_come_back(kind: str) -> None:
    model = MODELS[kind]()
    expected, before, modules = call(model, inputs(kind)), state(model), tree(model)
    model.add_embeddings("other", OTHER)

    assert model.active_embeddings == "other"
    assert model.config.vocab_size == len(OTHER) == model.get_input_embeddings().num_embeddings
    changed = call(model, inputs(kind))
    assert not torch.equal(changed[0], expected[0])
    if model.get_output_embeddings() is not None:
        assert changed[0].shape[-1] == len(OTHER)

    model.set_active_embeddings("default")
    assert model.config.vocab_size == VOCABULARY
    assert_identical(call(model, inputs(kind)), expected)
    assert_same_state(model, before)
    assert tree(model) == modules

    model.set_active_embeddings("other")
    assert_identical(call(model, inputs(kind)), changed)


@each_model
def test_tokens_of_a_reference_are_copied(kind: str) -> None:
    """A copy of all tokens computes the same, hooks on the embeddings and everything behind them included."""
    model = MODELS[kind]()
    add_random(model, "language", METHODS["seq_bn_inv"]())
    expected = call(model, inputs(kind))
    model.add_embeddings("same", SAME, reference_embedding="default", reference_tokenizer=SAME)
    assert_identical(call(model, inputs(kind)), expected)


@each_model
def test_ties_stay(kind: str) -> None:
    model = MODELS[kind]()
    head = model.get_output_embeddings()
    was_tied = head is not None and head.weight is model.get_input_embeddings().weight
    names = sorted(name for name, _ in model.named_parameters())
    model.add_embeddings("other", OTHER)
    assert sorted(name for name, _ in model.named_parameters()) == names
    assert head is None or (head.weight is model.get_input_embeddings().weight) == was_tied
    assert head is None or head.out_features == len(OTHER)
    model.tie_weights()
    assert sorted(name for name, _ in model.named_parameters()) == names


def test_rows_that_are_copied() -> None:
    model = fresh("bert")
    rows = model.get_input_embeddings().weight.clone()
    model.add_embeddings("other", OTHER, "default", SAME)
    weight, known = model.get_input_embeddings().weight, SAME.get_vocab()
    shared = {token: index for token, index in OTHER.get_vocab().items() if token in known}
    assert len(shared) == len(OTHER) - 2
    assert all(torch.equal(weight[index], rows[known[token]]) for token, index in shared.items())
    assert model.get_input_embeddings().padding_idx == OTHER.pad_token_id


@pytest.mark.parametrize("kind", ["bert", "bart", "llama", "t5"])
def test_padding_and_sizes_are_told_to_modules(kind: str) -> None:
    """Modules that share the weights agree; a padding token beyond the new vocabulary would be refused by torch."""
    model = MODELS[kind]()
    model.resize_token_embeddings(90)
    for module in model.modules():
        if isinstance(module, nn.Embedding) and module.weight is model.get_input_embeddings().weight:
            module.padding_idx = 80
    padded = made_tokenizer(map(str, range(20)))
    padded.pad_token = "7"
    model.add_embeddings("other", padded)
    weight = model.get_input_embeddings().weight
    sharing = [module for module in model.modules() if isinstance(module, nn.Embedding) and module.weight is weight]
    told = {(module.num_embeddings, module.padding_idx) for module in sharing}
    assert told == {(len(padded), padded.convert_tokens_to_ids("7"))}
    assert not weight[padded.pad_token_id].any()
    assert {vars(part).get("vocab_size", len(padded)) for part in (model, model.base_model)} == {len(padded)}
    call(model, inputs(kind))
    model.set_active_embeddings("default")
    assert {(module.num_embeddings, module.padding_idx) for module in sharing} == {(90, 80)}


def test_deletion() -> None:
    model = fresh("bert")
    before = state(model)
    model.add_embeddings("a", OTHER)
    model.add_embeddings("b", OTHER)
    model.delete_embeddings("a")
    assert set(model.loaded_embeddings) == {"b", "default"}
    model.delete_embeddings("b")
    assert model.active_embeddings == "default"
    assert_same_state(model, before)
    with pytest.raises(EmbeddingsError, match="cannot be deleted"):
        model.delete_embeddings("default")


def test_refusals() -> None:
    model = fresh("bert")
    model.add_embeddings("a", OTHER)
    with pytest.raises(EmbeddingsError, match="has embeddings 'a' already"):
        model.add_embeddings("a", OTHER)
    with pytest.raises(EmbeddingsError, match="given together"):
        model.add_embeddings("b", OTHER, reference_embedding="default")
    with pytest.raises(EmbeddingsError, match="needs embeddings of 32"):
        model.add_embeddings("b", OTHER, embedding_dim=8)
    for use in (model.set_active_embeddings, model.delete_embeddings):
        with pytest.raises(EmbeddingsError, match="no embeddings named 'c' in this model; it has: a, default"):
            use("c")
    with pytest.raises(EmbeddingsError, match="no token embeddings"):
        fresh("vit").add_embeddings("a", OTHER)


def test_loaded_embeddings() -> None:
    model = fresh("bert", BertForMaskedLM)
    model.add_embeddings("other", OTHER)
    loaded = model.base_model.loaded_embeddings
    assert loaded["other"] is model.get_input_embeddings()
    assert loaded["default"].weight.shape == (VOCABULARY, 32)
    with torch.no_grad():
        loaded["default"].weight[7] = 3.0
    model.set_active_embeddings("default")
    assert (model.get_input_embeddings().weight[7] == 3.0).all()


@pytest.mark.parametrize("kind", ["bert", "t5", "llama"])
def test_training(kind: str) -> None:
    """Embeddings in use are trained on request; those that are not stay as they are."""
    model = MODELS[kind]()
    default = model.get_input_embeddings().weight.detach().clone()
    model.add_embeddings("other", OTHER)
    model.add_adapter("task")
    model.train_adapter("task", train_embeddings=True)
    weight = model.get_input_embeddings().weight
    assert weight.requires_grad
    before = weight.detach().clone()
    given = inputs(kind)
    model(**given, labels=given["input_ids"]).loss.backward()
    torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=0.1).step()
    assert not torch.equal(weight, before)

    model.set_active_embeddings("default")
    assert torch.equal(model.get_input_embeddings().weight, default)
    assert model.get_input_embeddings().weight.requires_grad
    model.train_adapter("task")
    model.set_active_embeddings("other")
    assert not model.get_input_embeddings().weight.requires_grad
    assert not torch.equal(model.get_input_embeddings().weight, before)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("kind", ["bert", "bart", "llama"])
def test_copies_are_independent(kind: str, duplicate: Callable[[nn.Module], nn.Module]) -> None:
    model = MODELS[kind]()
    first = call(model, inputs(kind))
    model.add_embeddings("other", OTHER)
    second = call(model, inputs(kind))
    copied = duplicate(model)
    assert_identical(call(copied, inputs(kind)), second)
    copied.set_active_embeddings("default")
    assert_identical(call(copied, inputs(kind)), first)
    assert_identical(call(model, inputs(kind)), second)
    with torch.no_grad():
        copied.loaded_embeddings["other"].weight.zero_()
    assert_identical(call(model, inputs(kind)), second)


@pytest.mark.parametrize("kind", ["bert", "bart", "llama", "t5"])
def test_resizing_concerns_the_embeddings_in_use(kind: str) -> None:
    model = MODELS[kind]()
    first = call(model, inputs(kind))
    model.add_embeddings("other", OTHER)
    model.resize_token_embeddings(len(OTHER) + 3)
    resized = call(model, inputs(kind))
    assert resized[0].shape[-1] == len(OTHER) + 3
    model.set_active_embeddings("default")
    assert_identical(call(model, inputs(kind)), first)
    model.set_active_embeddings("other")
    assert_identical(call(model, inputs(kind)), resized)


@pytest.mark.parametrize("kind", ["bert", "t5"])
def test_deinit(kind: str) -> None:
    original = build(kind, LANGUAGE_MODELS[kind])
    before, modules = state(original), tree(original)
    model = generated.init(original)
    model.add_embeddings("other", OTHER)
    generated.deinit(model)
    assert_same_state(model, before)
    assert tree(model) == modules


def test_heads_with_names() -> None:
    """Heads that come and go while other embeddings are in use."""
    model = build("bert", generated.BertAdapterModel)
    model.add_masked_lm_head("first")
    first = call(model, inputs("bert"))
    model.add_embeddings("other", OTHER)
    model.add_masked_lm_head("second")
    for name in ("first", "second"):
        model.active_head = name
        assert model.heads[name].config["vocab_size"] == len(OTHER)
        assert call(model, inputs("bert"))[0].shape[-1] == len(OTHER)
    model.set_active_embeddings("default")
    model.active_head = "second"
    assert call(model, inputs("bert"))[0].shape[-1] == VOCABULARY
    model.active_head = "first"
    assert_identical(call(model, inputs("bert")), first)
    assert model.heads["first"].config["vocab_size"] == VOCABULARY
    model.delete_head("first")
    model.set_active_embeddings("other")
    model.active_head = "second"
    assert call(model, inputs("bert"))[0].shape[-1] == len(OTHER)


@pytest.mark.parametrize(("kind", "cls"), [("gpt2", GPT2LMHeadModel), ("t5", T5ForConditionalGeneration)])
def test_generation(kind: str, cls: type[PreTrainedModel]) -> None:
    model = fresh(kind, cls)
    model.add_embeddings("other", OTHER)
    given = {"input_ids": torch.tensor([[5, 6, 7]]), "attention_mask": torch.ones(1, 3, dtype=torch.long)}
    written = model.generate(**given, max_new_tokens=8, do_sample=False)
    assert written.max() < len(OTHER)


def test_types_are_those_of_the_model() -> None:
    model = fresh("bert", BertForMaskedLM)
    model.add_embeddings("other", OTHER)
    model.to(torch.bfloat16)
    model.set_active_embeddings("default")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert torch.isfinite(call(model, inputs("bert"))[0]).all()


def test_a_model_around_another_one_has_its_embeddings() -> None:
    """A decoder in a wrapper, as `BartForCausalLM` has it."""
    config = BartConfig(
        vocab_size=VOCABULARY, d_model=16, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=16
    )
    model = generated.init(BartForCausalLM(config))
    wrapper = model.base_model
    assert wrapper.get_input_embeddings() is model.get_input_embeddings()

    other = nn.Embedding(5, 16)
    wrapper.set_input_embeddings(other)
    assert model.get_input_embeddings() is other
