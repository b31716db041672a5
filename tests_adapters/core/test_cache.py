"""The key-value cache of transformers is used, and used rightly, with adapters and without."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    BartForCausalLM,
    BartForConditionalGeneration,
    BertLMHeadModel,
    DynamicCache,
    EncoderDecoderCache,
    GPT2LMHeadModel,
    GPTNeoForCausalLM,
    LlamaForCausalLM,
    PreTrainedModel,
    StaticCache,
    T5ForConditionalGeneration,
)

import generated
from tests_adapters.core.zoo import METHODS, VOCABULARY, add_random, assert_identical, build, call


LENGTH = 8
TOKENS = torch.randint(3, VOCABULARY, (2, LENGTH), generator=torch.Generator().manual_seed(5))
GREEDY = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False, "pad_token_id": 0}

DECODERS: dict[str, type[PreTrainedModel]] = {
    "bart": BartForConditionalGeneration,
    "bart-decoder": BartForCausalLM,
    "bert": BertLMHeadModel,
    "gpt2": GPT2LMHeadModel,
    "gpt_neo": GPTNeoForCausalLM,
    "llama": LlamaForCausalLM,
    "t5": T5ForConditionalGeneration,
}

ENCODER_DECODERS = ("bart", "t5")

# A gate is a mean over the positions of a call, so that a step of decoding is another call than a prefill.
UNGATED = ("seq_bn", "double_seq_bn", "par_bn", "compacter", "seq_bn_inv", "lora", "ia3", "prefix_tuning")

each_decoder = pytest.mark.parametrize("decoder", DECODERS)


def plain_decoder(decoder: str, attention: str = "eager") -> PreTrainedModel:
    """A model that generates."""
    return build(decoder.partition("-")[0], DECODERS[decoder], attention, is_decoder=True)


def decoder_of(decoder: str, attention: str = "eager") -> PreTrainedModel:
    return generated.init(plain_decoder(decoder, attention))


def scores(model: PreTrainedModel, start: int, stop: int, cache: Any = None) -> Tensor:
    """For the tokens from `start` to `stop`, after those that are in the cache; encoders read all tokens."""
    tokens = TOKENS[:, start:stop]
    inputs = {"input_ids": tokens}
    if isinstance(model, BartForConditionalGeneration | T5ForConditionalGeneration):
        inputs = {"input_ids": TOKENS, "decoder_input_ids": tokens}
    return model(**inputs, past_key_values=cache, use_cache=cache is not None).logits


def empty_cache(decoder: str) -> DynamicCache | EncoderDecoderCache:
    caches = DynamicCache(), DynamicCache()
    return EncoderDecoderCache(*caches) if decoder in ENCODER_DECODERS else caches[0]


def assert_decodes_as_it_prefills(model: PreTrainedModel, cache: Any) -> None:
    with torch.no_grad():
        expected = scores(model, 0, LENGTH)
        for start, stop in ((0, 4), (4, 5), (5, LENGTH)):
            step = scores(model, start, stop, cache)
            torch.testing.assert_close(step, expected[:, start:stop], atol=1e-4, rtol=1e-3)
            assert cache.get_seq_length() == stop


@each_decoder
def test_without_adapters(decoder: str) -> None:
    model = decoder_of(decoder)
    assert_decodes_as_it_prefills(model, empty_cache(decoder))
    assert model.generate(TOKENS, **GREEDY).tolist() == plain_decoder(decoder).generate(TOKENS, **GREEDY).tolist()


@pytest.mark.parametrize("method", UNGATED)
@each_decoder
def test_with_adapters(decoder: str, method: str) -> None:
    """What is put in front of keys and values is never part of the cache, which counts tokens."""
    model = decoder_of(decoder)
    add_random(model, method, METHODS[method]())
    assert_decodes_as_it_prefills(model, empty_cache(decoder))


@pytest.mark.parametrize("method", UNGATED)
@each_decoder
def test_generation(decoder: str, method: str) -> None:
    model = decoder_of(decoder)
    add_random(model, method, METHODS[method]())
    cached = model.generate(TOKENS, **GREEDY)
    assert cached.tolist() == model.generate(TOKENS, **GREEDY, use_cache=False).tolist()


@pytest.mark.parametrize("method", UNGATED)
def test_static_cache(method: str) -> None:
    model = decoder_of("llama")
    add_random(model, method, METHODS[method]())
    assert_decodes_as_it_prefills(model, StaticCache(config=model.config, max_cache_len=LENGTH + 2))


@each_decoder
def test_the_past_is_seen_and_the_future_is_not(decoder: str) -> None:
    """With a prefix, under the kernel that masks by itself: another token changes what follows it, nothing before."""
    model = decoder_of(decoder, "eager" if decoder == "gpt_neo" else "sdpa")
    add_random(model, "prefix", METHODS["prefix_tuning"]())
    other = TOKENS.clone()
    other[:, 3] = (other[:, 3] + 1) % VOCABULARY
    given = {"input_ids": TOKENS} if decoder in ENCODER_DECODERS else {}
    key = "decoder_input_ids" if decoder in ENCODER_DECODERS else "input_ids"
    first, second = (call(model, given | {key: tokens})[0] for tokens in (TOKENS, other))
    assert_identical([first[:, :3]], [second[:, :3]])
    assert ((first - second).abs().amax(-1)[:, 3:] > 1e-4).all()


@pytest.mark.parametrize("method", METHODS)
def test_decoder_of_an_encoder_decoder_alone(method: str) -> None:
    """It has no encoder to attend to; every method that has a place in it acts there."""
    model = decoder_of("bart-decoder")
    before = call(model, {"input_ids": TOKENS})
    add_random(model, method, METHODS[method]())
    adapted = call(model, {"input_ids": TOKENS})
    assert (adapted[0] - before[0]).abs().max() > 1e-4
    model.delete_adapter(method)
    assert_identical(call(model, {"input_ids": TOKENS}), before)
