"""Prefixes against an oracle: the plain model, given the prefix as keys and values by hand, and an explicit mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import DynamicCache, LlamaForCausalLM, PreTrainedModel, StaticCache

import generated
from generated.core.composition import Stack
from generated.core.configuration import PrefixTuningConfig
from generated.core.errors import AdapterError
from generated.core.layers.prefix_tuning import PrefixTuningShim, rows_of
from generated.core.layers.prefix_weights import FlatPrefixTuning, LayerPrefix, PrefixShape, PrefixTuning
from tests_adapters.core.zoo import (
    VOCABULARY,
    add_random,
    build,
    build_adapted,
    call,
    inputs_for,
)


LENGTH, PREFIX = 9, 3


CONFIG = PrefixTuningConfig(prefix_length=PREFIX, bottleneck_size=8)


TOKENS = torch.randint(3, VOCABULARY, (2, LENGTH), generator=torch.Generator().manual_seed(3))


PADDINGS = {"none": None, "left": slice(0, 2), "right": slice(LENGTH - 2, None)}


CACHES: dict[str, Callable[[PreTrainedModel], Any]] = {
    "uncached": lambda model: None,
    "dynamic": lambda model: DynamicCache(config=model.config),
    "static": lambda model: StaticCache(config=model.config, max_cache_len=LENGTH + 4),
}


# Flex attention is compiled on first use. With a static cache, transformers 5.23 itself decodes wrongly with it: the
# rule of its mask reads the length of the cache after the layer has changed it.
KERNELS_AND_CACHES = [
    *((kernel, cache) for kernel in ("eager", "sdpa") for cache in CACHES),
    pytest.param("flex_attention", "uncached", marks=pytest.mark.slow),
    pytest.param("flex_attention", "dynamic", marks=pytest.mark.slow),
]


each_padding = pytest.mark.parametrize("padding", PADDINGS)


def padding_mask(padding: str) -> Tensor | None:
    """(batch, length), 1 where there is a token; only the second row is padded."""
    if PADDINGS[padding] is None:
        return None
    mask = torch.ones(2, LENGTH, dtype=torch.long)
    mask[1, PADDINGS[padding]] = 0
    return mask


def positions(padding: str) -> Tensor:
    mask = padding_mask(padding)
    return (torch.ones(2, LENGTH, dtype=torch.long) if mask is None else mask).cumsum(-1).sub(1).clamp(min=0)


def tokens_in(padding: str) -> Tensor:
    mask = padding_mask(padding)
    return torch.ones(2, LENGTH, dtype=torch.bool) if mask is None else mask.bool()


def llama(attention: str) -> LlamaForCausalLM:
    """Keys are shared by two queries each, and wider than hidden size over heads."""
    model = generated.init(build("llama", LlamaForCausalLM, attention))
    add_random(model, "prefix", CONFIG)
    return model


def prefix_of(shim: PrefixTuningShim, heads: int, name: str = "prefix") -> tuple[Tensor, Tensor]:
    return shim.prefixes[name].key_values(like=torch.zeros(2, heads, 1, shim.head_dim))


def oracle(adapted: LlamaForCausalLM, padding: str) -> Tensor:
    """Scores of the plain model, whose cache starts with the prefix; positions are those of the tokens alone."""
    plain = build("llama", LlamaForCausalLM, "eager")
    cache = DynamicCache()
    for index, layer in enumerate(adapted.model.layers):
        cache.update(*prefix_of(layer.self_attn.prefix_tuning, heads=2), index)
    causal = torch.ones(LENGTH, LENGTH).tril().bool()
    visible = causal & tokens_in(padding)[:, None, None, :]
    visible = torch.cat([visible.new_ones(2, 1, LENGTH, PREFIX), visible], dim=-1)
    mask = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
    return plain(TOKENS, attention_mask=mask, position_ids=positions(padding), past_key_values=cache).logits


def run(model: LlamaForCausalLM, padding: str, start: int, stop: int, cache: Any) -> Tensor:
    """Scores for the tokens from `start` to `stop`, after those that are in the cache."""
    mask = padding_mask(padding)
    return model(
        TOKENS[:, start:stop],
        attention_mask=None if mask is None else mask[:, :stop],
        position_ids=positions(padding)[:, start:stop],
        past_key_values=cache,
        use_cache=cache is not None,
    ).logits


def assert_same_scores(scores: Tensor, expected: Tensor, padding: str, start: int, stop: int) -> None:
    real = tokens_in(padding)[:, start:stop]
    torch.testing.assert_close(scores[real], expected[:, start:stop][real], atol=2e-5, rtol=1e-4)


@pytest.fixture(autouse=True)
def _compile_for_each_shape():
    """Symbolic shapes are beyond the compiler of flex attention on CPU (torch 2.13)."""
    torch._dynamo.reset()
    with torch._dynamo.config.patch(automatic_dynamic_shapes=False):
        yield


@pytest.mark.parametrize(("attention", "cache"), KERNELS_AND_CACHES)
@each_padding
def test_prefill_and_decode(attention: str, padding: str, cache: str) -> None:
    model = llama(attention)
    with torch.no_grad():
        expected = oracle(model, padding)
        if cache == "uncached":
            assert_same_scores(run(model, padding, 0, LENGTH, None), expected, padding, 0, LENGTH)
            return
        past = CACHES[cache](model)
        for start, stop in ((0, 5), (5, 6), (6, 7), (7, LENGTH)):
            assert_same_scores(run(model, padding, start, stop, past), expected, padding, start, stop)


@pytest.mark.parametrize("use_reentrant", [False, True], ids=["non-reentrant", "reentrant"])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@each_padding
def test_gradients_with_checkpointing(attention: str, padding: str, use_reentrant: bool) -> None:
    """The layers are run again in the backward pass; the prefix is made again with them."""
    model = llama(attention)
    model.train_adapter("prefix")
    weight = torch.randn(2, LENGTH, VOCABULARY, generator=torch.Generator().manual_seed(4))
    weight = weight * tokens_in(padding)[..., None]

    def gradients(scores: Tensor) -> dict[str, Tensor]:
        model.zero_grad()
        (scores * weight).sum().backward()
        return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad}

    expected = gradients(oracle(model, padding))
    model.activation_checkpointing_enable({"use_reentrant": use_reentrant})
    scores = run(model, padding, 0, LENGTH, None)
    assert_same_scores(scores, oracle(model, padding), padding, 0, LENGTH)
    for name, gradient in gradients(scores).items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@each_padding
def test_stack_of_prefixes(attention: str, padding: str) -> None:
    """Two prefixes after one another are one longer prefix."""
    model = generated.init(build("llama", LlamaForCausalLM, attention))
    for name, length in (("a", 1), ("b", 2)):
        add_random(model, name, PrefixTuningConfig(prefix_length=length, flat=True))
    model.set_active_adapters(["a", "b"])
    add_flat_prefix(model, "both", ["b", "a"])
    with torch.no_grad():
        stacked = run(model, padding, 0, LENGTH, None)
        model.set_active_adapters("both")
        assert_same_scores(stacked, run(model, padding, 0, LENGTH, None), padding, 0, LENGTH)


def add_flat_prefix(model: nn.Module, name: str, parts: list[str]) -> None:
    pool = model.base_model.prefix_tuning.prefix_tunings
    rows = [
        pool[part]["self_prefix"].control_trans.view(pool[part]["self_prefix"].prefix_length, -1) for part in parts
    ]
    joined = torch.cat(rows)
    model.add_adapter(name, config=PrefixTuningConfig(prefix_length=len(joined), flat=True))
    with torch.no_grad():
        pool[name]["self_prefix"].control_trans.copy_(joined.flatten())


@pytest.mark.parametrize("architecture", ["bert", "t5"])
@pytest.mark.parametrize("use_gating", [False, True])
def test_ejected_prefix_gives_the_same_numbers(architecture: str, use_gating: bool) -> None:
    model, inputs = generated.init(build(architecture)), inputs_for(architecture)
    add_random(model, "prefix", CONFIG.replace(use_gating=use_gating))
    numbers = call(model, inputs)
    model.eject_prefix_tuning("prefix")
    for first, second in zip(call(model, inputs), numbers, strict=True):
        torch.testing.assert_close(first, second)
    assert model.adapters_config["prefix"] == CONFIG.replace(use_gating=use_gating, flat=True)
    assert not any("wte" in name for name in model.state_dict() if "prefix" in name)
    with pytest.raises(AdapterError, match="nothing to eject"):
        model.eject_prefix_tuning("prefix")


def test_weights_are_not_repeated() -> None:
    model = build_adapted("bert", "prefix_tuning")
    names = [name for name in model.state_dict() if "prefix" in name]
    assert all(name.startswith("prefix_tuning.prefix_tunings.prefix_tuning.self_prefix.") for name in names)
    assert len(names) == 5


def test_layers_may_differ_in_heads_and_widths() -> None:
    """Each layer takes its own numbers out of those that all layers share, also when the network is ejected."""
    shapes = PrefixShape(8, 4, 4), PrefixShape(2, 8, 6)
    source = PrefixTuning(shapes, 32, CONFIG)
    flat = source.flatten()

    for index, (heads, key_dim, value_dim) in enumerate(shapes):
        keys, values = LayerPrefix(source, index).rows(torch.zeros(1))
        assert (keys.shape, values.shape) == ((heads, PREFIX, key_dim), (heads, PREFIX, value_dim))
        for made, kept in zip((keys, values), LayerPrefix(flat, index).rows(torch.zeros(1)), strict=True):
            torch.testing.assert_close(kept, made)
    numbers = [flat(index, torch.device("cpu")) for index in range(2)]
    assert torch.equal(torch.cat(numbers, dim=1).flatten(), flat.control_trans)


def test_values_that_are_filled_up_to_the_width_of_keys() -> None:
    shim = PrefixTuningShim(None, head_dim=8, is_causal=False, value_dim=6)
    shim.prefixes["prefix"] = LayerPrefix(FlatPrefixTuning((PrefixShape(4, 8, 6),), PREFIX, 0.0), 0)
    shim.active = Stack("prefix")
    query, key = torch.randn(2, 2, 4, 5, 8)
    value, hidden_states = torch.randn(2, 4, 5, 6), torch.randn(2, 5, 32)

    narrow = shim(query, key, value, None, hidden_states)[1]
    filled = shim(query, key, nn.functional.pad(value, (0, 2)), None, hidden_states)[1]

    assert narrow.shape == (2, 4, PREFIX + 5, 6)
    assert torch.equal(filled, nn.functional.pad(narrow, (0, 2)))


@pytest.mark.parametrize(("shape", "rows"), [((2, 3, 3, 4), 2), ((2, 9, 4), 6), ((9, 4), 1)])
def test_input_in_other_forms(shape: tuple[int, ...], rows: int) -> None:
    """Images are (batch, height, width, hidden), windows and points are several rows per example."""
    hidden_states = torch.randn(shape)

    made = rows_of(hidden_states, rows)

    of_examples = hidden_states.reshape(-1, 9, 4)
    assert torch.equal(made, of_examples.repeat_interleave(rows // len(of_examples), dim=0))


def test_heads_in_the_batch() -> None:
    """Where attention is written out with 3-D products, the numbers are the same."""
    model = generated.init(build("bert"))
    add_random(model, "prefix", CONFIG)
    shim = next(module for module in model.modules() if isinstance(module, PrefixTuningShim))
    heads = model.config.num_attention_heads
    query, key, value = torch.randn(3, 2, heads, 5, shim.head_dim)
    mask, hidden_states = torch.ones(2, 1, 5, 5, dtype=torch.bool), torch.randn(2, 5, model.config.hidden_size)

    expected = shim(query, key, value, mask, hidden_states)
    actual = shim.flat(*(state.flatten(0, 1) for state in (query, key, value)), mask, hidden_states)

    assert actual[0].shape == (2 * heads, 5 + shim.length, shim.head_dim)
    assert all(torch.equal(flat, full.flatten(0, 1)) for flat, full in zip(actual[:2], expected[:2], strict=True))
    assert torch.equal(actual[2], expected[2])


@pytest.mark.parametrize("kind", ["boolean", "numbers"])
def test_turned_keys_and_a_mask_that_hides(kind: str) -> None:
    """Keys with their length last, and masks that hold where a key is hidden, come back as they came."""
    model = generated.init(build("bert"))
    add_random(model, "prefix", CONFIG)
    shim = next(module for module in model.modules() if isinstance(module, PrefixTuningShim))
    query, key, value = torch.randn(3, 2, model.config.num_attention_heads, 5, shim.head_dim)
    mask, hidden_states = torch.rand(2, 1, 5, 5) < 0.5, torch.randn(2, 5, model.config.hidden_size)
    hidden = ~mask if kind == "boolean" else torch.zeros(mask.shape).masked_fill(~mask, -1e9)

    expected = shim(query, key, value, mask, hidden_states)
    actual = shim(query, key.transpose(-1, -2), value, hidden, hidden_states, turned=True, mask_hides=True)

    assert torch.equal(actual[0].transpose(-1, -2), expected[0])
    assert torch.equal(actual[1], expected[1])
    assert torch.equal(~actual[2], expected[2])


def test_inactive_shim_returns_what_it_got() -> None:
    shim = PrefixTuningShim(build("bert").config, head_dim=8, is_causal=False)
    query, key, value = torch.randn(3, 2, 4, 5, 8)
    got = shim(query, key, value, None, None)
    assert got[0] is key
    assert got[1] is value
    assert got[2] is None
    assert shim.length == 0
    mask = torch.ones(5, 5, dtype=torch.bool)
    assert shim.extend_mask(mask) is mask
    assert shim.extend_bias(mask) is mask
    assert shim.extend_bias(None) is None


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_causal_model_that_is_told_not_to_be(attention: str) -> None:
    """`config.is_causal = False` makes a decoder of transformers look both ways: with a prefix, too."""
    model = llama(attention)
    model.config.is_causal = False
    other = TOKENS.clone()
    other[:, -1] = 5
    with torch.no_grad():
        first, second = (model(tokens, use_cache=False).logits for tokens in (TOKENS, other))
    assert (first - second)[:, 0].abs().max() > 1e-3


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("use_reentrant", [False, True], ids=["non-reentrant", "reentrant"])
def test_a_call_that_looks_both_ways_is_recomputed_so(attention: str, use_reentrant: bool) -> None:
    """`model(..., is_causal=False)` is in force in the backward pass, too, when layers are run again."""
    model = llama(attention)
    model.train_adapter("prefix")

    def gradients() -> list[Tensor]:
        model.zero_grad()
        logits = model(TOKENS, is_causal=False, use_cache=False).logits
        (logits * logits.detach().cos()).sum().backward()
        return [parameter.grad for parameter in model.parameters() if parameter.requires_grad]

    model.config.is_causal = False
    expected = gradients()
    del model.config.is_causal
    for gradient, other in zip(gradients(), expected, strict=True):
        torch.testing.assert_close(gradient, other)
    model.activation_checkpointing_enable({"use_reentrant": use_reentrant})
    for gradient, other in zip(gradients(), expected, strict=True):
        torch.testing.assert_close(gradient, other)
