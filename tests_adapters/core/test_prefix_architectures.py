"""Prefixes where attention has its own ways: windows, relative positions, cross-attention, generation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import DynamicCache, T5EncoderModel
from transformers.models.t5.modeling_t5 import T5Attention

import generated
from tests_adapters.core.test_prefix_tuning import CONFIG, LENGTH, TOKENS, prefix_of
from tests_adapters.core.zoo import (
    LANGUAGE_MODELS,
    add_random,
    assert_identical,
    build,
    build_adapted,
    call,
    inputs_for,
)


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, prefix: tuple[Tensor, Tensor]) -> Tensor:
    """Attention as in the textbook, with unscaled scores; `bias` holds everything that is added for real keys."""
    scores = torch.cat([query @ prefix[0].mT, query @ key.mT + bias], dim=-1)
    mixed = scores.softmax(-1) @ torch.cat([prefix[1], value], dim=-2)
    return mixed.transpose(1, 2).flatten(2)


def heads_of(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def recorded_call(module: nn.Module, model: nn.Module, inputs: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """What goes into a module, and the first thing that comes out, in a forward of the model."""
    seen = {}

    def record(_: nn.Module, args: tuple, kwargs: dict[str, Any], output: Any) -> None:
        seen["input"] = args[0] if args else kwargs["hidden_states"]
        seen["output"] = output[0]

    handle = module.register_forward_hook(record, with_kwargs=True)
    call(model, inputs)
    handle.remove()
    return seen["input"], seen["output"]


@pytest.mark.parametrize("layer", [0, 1], ids=["global", "local"])
def test_gpt_neo_window(layer: int) -> None:
    """The prefix is visible from everywhere; the window of local layers counts tokens only."""
    model = generated.init(build("gpt_neo"))
    add_random(model, "prefix", CONFIG)
    attention = model.h[layer].attn.attention
    with torch.no_grad():
        x, output = recorded_call(attention, model, {"input_ids": TOKENS})
        distance = torch.arange(LENGTH)[:, None] - torch.arange(LENGTH)[None, :]
        window = LENGTH if attention.attention_type == "global" else model.config.window_size
        bias = torch.zeros(LENGTH, LENGTH).masked_fill((distance < 0) | (distance >= window), -torch.inf)
        query, key, value = (
            heads_of(linear(x), 4) for linear in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        expected = attention.out_proj(attend(query, key, value, bias, prefix_of(attention.prefix_tuning, heads=4)))
    torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-4)


def test_gpt_neo_decodes_as_it_prefills() -> None:
    model = generated.init(build("gpt_neo", LANGUAGE_MODELS["gpt_neo"]))
    add_random(model, "prefix", CONFIG)
    with torch.no_grad():
        expected, cache = model(TOKENS).logits, DynamicCache(config=model.config)
        steps = [model(TOKENS[:, i : i + 1], past_key_values=cache, use_cache=True).logits for i in range(LENGTH)]
    torch.testing.assert_close(torch.cat(steps, dim=1), expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("stack", ["encoder", "decoder"])
@pytest.mark.parametrize("kernel", ["eager", "sdpa"])
def test_t5_relative_positions(kernel: str, stack: str, layer: int) -> None:
    """The prefix has bias 0, and tokens keep their distances; later layers get the bias without prefix."""
    model = generated.init(build("t5", attention=kernel))
    add_random(model, "prefix", CONFIG)
    blocks = getattr(model, stack).block
    attention: T5Attention = blocks[layer].layer[0].SelfAttention
    with torch.no_grad():
        x, output = recorded_call(attention, model, {"input_ids": TOKENS, "decoder_input_ids": TOKENS})
        bias = blocks[0].layer[0].SelfAttention.compute_bias(LENGTH, LENGTH)
        if stack == "decoder":
            bias = bias.masked_fill(torch.ones(LENGTH, LENGTH).triu(1).bool(), -torch.inf)
        query, key, value = (heads_of(linear(x), 4) for linear in (attention.q, attention.k, attention.v))
        expected = attention.o(attend(query, key, value, bias, prefix_of(attention.prefix_tuning, heads=4)))
    torch.testing.assert_close(output, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("skipped", [[0], [1], [2], [3]])
def test_t5_with_some_layers_skipped(skipped: list[int]) -> None:
    """The bias that the first layer computes fits layers with and without prefix."""
    numbers = {}
    for kernel in ("eager", "sdpa"):
        model = generated.init(build("t5", attention=kernel))
        add_random(model, "prefix", CONFIG)
        model.set_active_adapters("prefix", skip_layers=skipped)
        numbers[kernel] = model(**inputs_for("t5")).last_hidden_state
    torch.testing.assert_close(numbers["eager"], numbers["sdpa"], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["bart", "bert", "distilbert", "llama", "t5"])
@pytest.mark.parametrize("kernel", ["eager", "sdpa"])
def test_padding_does_not_show(architecture: str, kernel: str) -> None:
    """A padded row gives the numbers that it gives on its own without padding."""
    model = build_adapted(architecture, "prefix_tuning", attention=kernel)
    inputs = inputs_for(architecture) | {"attention_mask": torch.ones(2, 7, dtype=torch.long)}
    inputs["attention_mask"][1, 4:] = 0
    alone = {name: tensor[1:, :4] if name != "decoder_input_ids" else tensor[1:] for name, tensor in inputs.items()}
    length = 7 if "decoder_input_ids" in inputs else 4
    with torch.no_grad():
        padded = model(**inputs).last_hidden_state[1:, :length]
        torch.testing.assert_close(padded, model(**alone).last_hidden_state, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["bart", "gpt2", "llama", "t5"])
@pytest.mark.parametrize("kernel", ["eager", "sdpa"])
def test_generation_with_beams_and_cache(architecture: str, kernel: str) -> None:
    model = build_adapted(architecture, "prefix_tuning", LANGUAGE_MODELS[architecture], kernel)
    options = {"max_new_tokens": 6, "min_new_tokens": 6, "num_beams": 3, "do_sample": False}
    inputs = {"input_ids": TOKENS[:, :5], "attention_mask": torch.tensor([[1] * 5, [0] * 2 + [1] * 3])}
    cached, uncached = (model.generate(**inputs, **options, use_cache=use_cache) for use_cache in (True, False))
    assert cached.tolist() == uncached.tolist()


def test_encoder_alone_reads_the_encoder_prefix() -> None:
    whole, encoder = generated.init(build("t5")), generated.init(build("t5", T5EncoderModel))
    for model in (whole, encoder):
        model.add_adapter("prefix", config=CONFIG)
    assert set(whole.get_adapter("prefix")[-1]["prefix"]) == {"encoder_prefix", "self_prefix", "cross_prefix"}
    assert set(encoder.get_adapter("prefix")[-1]["prefix"]) == {"encoder_prefix"}
    whole.add_adapter("small", config=CONFIG.replace(encoder_prefix=False, cross_prefix=False))
    assert set(whole.get_adapter("small")[-1]["prefix"]) == {"self_prefix"}
    assert_identical(call(whole, inputs_for("t5")), call(generated.init(build("t5")), inputs_for("t5")))
