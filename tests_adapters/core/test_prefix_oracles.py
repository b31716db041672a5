"""Prefixes of further attentions against an oracle that knows nothing of them: fused projections, encoders and
decoders in one file, cross-attention; and against the same oracle, compiled and run again in the backward pass."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import BertLMHeadModel, DynamicCache, GPT2LMHeadModel, PreTrainedModel

import generated
from generated.core.layers import PrefixTuningShim
from tests_adapters.core.test_prefix_architectures import attend, heads_of
from tests_adapters.core.test_prefix_tuning import (
    CONFIG,
    LENGTH,
    PREFIX,
    TOKENS,
    assert_same_scores,
    each_padding,
    llama,
    oracle,
    positions,
    prefix_of,
    run,
    tokens_in,
)
from tests_adapters.core.zoo import add_random, build, call


DECODERS: dict[str, type[PreTrainedModel]] = {"bert": BertLMHeadModel, "gpt2": GPT2LMHeadModel}

each_kernel = pytest.mark.parametrize("kernel", ["eager", "sdpa"])


def with_prefix_in_the_cache(architecture: str, adapted: nn.Module, padding: str) -> Tensor:
    """Scores of the plain model, whose cache starts with the prefix of each layer."""
    plain, cache = build(architecture, DECODERS[architecture], is_decoder=True), DynamicCache()
    shims = [module for module in adapted.modules() if isinstance(module, PrefixTuningShim)]
    for index, shim in enumerate(shims):
        cache.update(*prefix_of(shim, heads=4), index)
    visible = torch.ones(LENGTH, LENGTH).tril().bool() & tokens_in(padding)[:, None, None, :]
    visible = torch.cat([visible.new_ones(2, 1, LENGTH, PREFIX), visible], dim=-1)
    mask = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
    return plain(TOKENS, attention_mask=mask, position_ids=positions(padding), past_key_values=cache).logits


@each_kernel
@each_padding
@pytest.mark.parametrize("architecture", DECODERS)
def test_decoders(architecture: str, padding: str, kernel: str) -> None:
    model = generated.init(build(architecture, DECODERS[architecture], kernel, is_decoder=True))
    add_random(model, "prefix", CONFIG)
    with torch.no_grad():
        expected = with_prefix_in_the_cache(architecture, model, padding)
        assert_same_scores(run(model, padding, 0, LENGTH, None), expected, padding, 0, LENGTH)
        cache = DynamicCache()
        for start, stop in ((0, 5), (5, 6), (6, LENGTH)):
            assert_same_scores(run(model, padding, start, stop, cache), expected, padding, start, stop)


def recorded(module: nn.Module, model: nn.Module, inputs: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """What an attention reads for queries and for keys, and what comes out."""
    seen: dict[str, Tensor] = {}

    def record(_: nn.Module, args: tuple, kwargs: dict[str, Any], output: Any) -> None:
        seen["queries"] = args[0] if args else kwargs["hidden_states"]
        others = kwargs.get("key_value_states")
        seen["keys"], seen["output"] = seen["queries"] if others is None else others, output[0]

    handle = module.register_forward_hook(record, with_kwargs=True)
    call(model, inputs)
    handle.remove()
    return seen["queries"], seen["keys"], seen["output"]


@each_kernel
@each_padding
@pytest.mark.parametrize(
    "path", ["encoder.layers.1.self_attn", "decoder.layers.0.self_attn", "decoder.layers.1.encoder_attn"]
)
def test_bart(path: str, padding: str, kernel: str) -> None:
    model = generated.init(build("bart", attention=kernel))
    add_random(model, "prefix", CONFIG)
    attention, mask = model.get_submodule(path), tokens_in(padding)
    inputs = {"input_ids": TOKENS, "decoder_input_ids": TOKENS, "attention_mask": mask.long()}
    with torch.no_grad():
        queries, keys, output = recorded(attention, model, inputs)
        visible = torch.ones(LENGTH, LENGTH).tril().bool() if "decoder.layers.0" in path else mask[:, None, None, :]
        bias = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
        query = heads_of(attention.q_proj(queries) * attention.scaling, 4)
        key, value = heads_of(attention.k_proj(keys), 4), heads_of(attention.v_proj(keys), 4)
        prefix = prefix_of(attention.prefix_tuning, heads=4)
        expected = attention.out_proj(attend(query, key, value, bias, prefix))
    rows = mask if path.startswith("encoder") else torch.ones_like(mask)
    torch.testing.assert_close(output[rows], expected[rows], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
@each_kernel
@each_padding
def test_compiled(padding: str, kernel: str, backend: str) -> None:
    model = llama(kernel)
    torch._dynamo.reset()  # other tests have compiled the same methods, as often as one process may
    with torch.no_grad():
        expected = oracle(model, padding)
        compiled = torch.compile(model, fullgraph=True, backend=backend)
        assert_same_scores(run(compiled, padding, 0, LENGTH, None), expected, padding, 0, LENGTH)
