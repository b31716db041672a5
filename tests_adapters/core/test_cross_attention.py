"""Decoders that attend to an encoder: each place in the cross-attention acts, and is not there without it."""

import pytest
import torch
from transformers import (
    BertConfig,
    BertLMHeadModel,
    DynamicCache,
    EncoderDecoderCache,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
)

import generated
from generated.core.configuration import AdapterConfig, BnConfig, LoRAConfig, PrefixTuningConfig
from generated.core.lifecycle import adapter_modules
from tests_adapters.core.zoo import COMMON, TEXT, add_random, assert_identical, call, differ, inputs_for


CROSS_BN = BnConfig(False, False, 8, "relu", cross_adapter=True)
BUILDERS = {
    "bert": lambda: BertLMHeadModel(BertConfig(**TEXT, is_decoder=True, add_cross_attention=True)),
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(**COMMON, n_embd=32, n_layer=2, n_head=4, add_cross_attention=True)),
}
CONFIGS = {
    "bottleneck": CROSS_BN,
    "lora": LoRAConfig(r=2, attn_matrices=["q", "k", "v", "o"]),
    "prefix": PrefixTuningConfig(prefix_length=3, flat=True),
}
each_decoder = pytest.mark.parametrize("architecture", BUILDERS)


def decoder(architecture: str) -> PreTrainedModel:
    torch.manual_seed(0)
    return generated.init(BUILDERS[architecture]().eval())


def inputs() -> dict[str, torch.Tensor]:
    encoded = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(2))
    mask = torch.ones(2, 5, dtype=torch.long)
    mask[1, 3:] = 0
    return inputs_for("bert") | {"encoder_hidden_states": encoded, "encoder_attention_mask": mask}


def silence_all_but_cross_attention(model: PreTrainedModel, name: str) -> None:
    """Set to zero what acts outside the cross-attention, so that an effect comes from there."""
    with torch.no_grad():
        for path, container in adapter_modules(model.base_model, name):
            if "prefix_tunings" in path:
                container[name]["self_prefix"].control_trans.zero_()
            elif "cross" not in path:
                for parameter in container[name].parameters():
                    parameter.zero_()


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@each_decoder
def test_cross_attention_is_adapted(architecture: str, config: AdapterConfig) -> None:
    model = decoder(architecture)
    add_random(model, "task", config)
    silence_all_but_cross_attention(model, "task")
    with_weights = call(model, inputs())
    for path, container in adapter_modules(model.base_model, "task"):
        if "cross" in path or "prefix_tunings" in path:
            for parameter in container["task"].parameters():
                torch.nn.init.zeros_(parameter)
    assert differ(with_weights, call(model, inputs()))


@each_decoder
def test_names_of_the_prefixes(architecture: str) -> None:
    model = decoder(architecture)
    model.add_adapter("task", config="prefix_tuning")
    assert set(model.get_adapter("task")[-1]["prefix"]) == {"self_prefix", "cross_prefix"}
    model.add_adapter("self", config="prefix_tuning[cross_prefix=False]")
    assert set(model.get_adapter("self")[-1]["prefix"]) == {"self_prefix"}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@each_decoder
def test_cached_generation(architecture: str, config: AdapterConfig) -> None:
    """Keys and values of the encoder are computed once; prefixes are put in front of them at every step."""
    model = decoder(architecture)
    add_random(model, "task", config)
    options = {"max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False, "pad_token_id": 0}
    given = inputs() | {"attention_mask": torch.ones(2, 7, dtype=torch.long)}
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    cached = model.generate(**given, **options, past_key_values=cache)
    recomputed = model.generate(**given, **options, use_cache=False)
    assert cache.get_seq_length() == 11
    assert cached.tolist() == recomputed.tolist()


@each_decoder
def test_inactive_decoder_is_the_plain_one(architecture: str) -> None:
    model = decoder(architecture)
    before = call(model, inputs())
    for name, config in CONFIGS.items():
        model.add_adapter(name, config=config)
    assert_identical(call(model, inputs()), before)


def test_no_cross_adapters_without_cross_attention() -> None:
    torch.manual_seed(0)
    model = generated.init(GPT2LMHeadModel(GPT2Config(**COMMON, n_embd=32, n_layer=2, n_head=4)))
    with pytest.raises(ValueError, match="has no place in GPT2Model"):
        model.add_adapter("task", config=CROSS_BN)
