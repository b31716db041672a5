"""The tiny models and the adapter configurations that the tests run over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import transformers as hf
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

import generated
from generated.core.configuration import (
    AdapterConfig,
    CompacterConfig,
    DoRAConfig,
    DoubleSeqBnConfig,
    IA3Config,
    LoRAConfig,
    LoReftConfig,
    MTLLoRAConfig,
    ParBnConfig,
    PrefixTuningConfig,
    SeqBnConfig,
    SeqBnInvConfig,
    UniPELTConfig,
    VeraConfig,
)
from generated.core.integrations import load_integration
from generated.core.lifecycle import adapter_parameters


VOCABULARY = 61
COMMON = {"vocab_size": VOCABULARY, "max_position_embeddings": 40, "bos_token_id": 1, "eos_token_id": 2}
TEXT = COMMON | {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
SEQ2SEQ = {"d_model": 32, "decoder_start_token_id": 2, "pad_token_id": 0}

CONFIGS: dict[str, Callable[[], PreTrainedConfig]] = {
    "bart": lambda: hf.BartConfig(
        **COMMON,
        **SEQ2SEQ,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
    ),
    "bert": lambda: hf.BertConfig(**TEXT),
    "distilbert": lambda: hf.DistilBertConfig(**COMMON, dim=32, n_layers=2, n_heads=4, hidden_dim=48),
    "gpt2": lambda: hf.GPT2Config(
        **COMMON, n_embd=32, n_layer=2, n_head=4, n_inner=48, pad_token_id=0, add_cross_attention=False
    ),
    "gpt_neo": lambda: hf.GPTNeoConfig(
        **COMMON,
        hidden_size=32,
        num_layers=2,
        num_heads=4,
        intermediate_size=48,
        attention_types=[[["global", "local"], 1]],
        window_size=4,
        pad_token_id=0,
    ),
    "llama": lambda: hf.LlamaConfig(**TEXT, num_key_value_heads=2, head_dim=16, pad_token_id=0),
    "t5": lambda: hf.T5Config(
        vocab_size=VOCABULARY, d_kv=8, d_ff=48, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu", **SEQ2SEQ
    ),
    "vit": lambda: hf.ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        image_size=8,
        patch_size=4,
        encoder_stride=4,
    ),
}
ARCHITECTURES = tuple(CONFIGS)

BASE_MODELS = {
    "bart": hf.BartModel,
    "bert": hf.BertModel,
    "distilbert": hf.DistilBertModel,
    "gpt2": hf.GPT2Model,
    "gpt_neo": hf.GPTNeoModel,
    "llama": hf.LlamaModel,
    "t5": hf.T5Model,
    "vit": hf.ViTModel,
}

LANGUAGE_MODELS = {
    "bart": hf.BartForConditionalGeneration,
    "bert": hf.BertForMaskedLM,
    "distilbert": hf.DistilBertForMaskedLM,
    "gpt2": hf.GPT2LMHeadModel,
    "gpt_neo": hf.GPTNeoForCausalLM,
    "llama": hf.LlamaForCausalLM,
    "t5": hf.T5ForConditionalGeneration,
}

METHODS: dict[str, Callable[[], AdapterConfig]] = {
    "seq_bn": lambda: SeqBnConfig(reduction_factor=8),
    "double_seq_bn": lambda: DoubleSeqBnConfig(reduction_factor=8, cross_adapter=True, ln_before=True),
    "par_bn": lambda: ParBnConfig(reduction_factor=8, scaling="learned"),
    "compacter": lambda: CompacterConfig(reduction_factor=4),
    "seq_bn_inv": lambda: SeqBnInvConfig(reduction_factor=8),
    "lora": lambda: LoRAConfig(r=2, attn_matrices=["q", "k", "v", "o"], mlp_matrices=["gate", "up", "down"]),
    "ia3": lambda: IA3Config(),
    "dora": lambda: DoRAConfig(r=2, alpha=4, attn_matrices=["q", "k", "v", "o"], mlp_matrices=["gate", "up", "down"]),
    "vera": lambda: VeraConfig(
        r=2, init_weights_seed=0, attn_matrices=["q", "k", "v", "o"], mlp_matrices=["gate", "up", "down"]
    ),
    "mtl_lora": lambda: MTLLoRAConfig(r=2, attn_matrices=["q", "k", "v"], n_up_projection=2, weights_sharpness=0.5),
    "prefix_tuning": lambda: PrefixTuningConfig(prefix_length=3, bottleneck_size=8),
    "prefix_tuning_flat": lambda: PrefixTuningConfig(prefix_length=3, flat=True, use_gating=True),
    "loreft": lambda: LoReftConfig(prefix_positions=2, suffix_positions=1, r=2, init_weights_seed=0),
    "unipelt": lambda: UniPELTConfig(
        PrefixTuningConfig(prefix_length=3, bottleneck_size=8), SeqBnConfig(reduction_factor=4), LoRAConfig(r=2)
    ),
}

each_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
each_method = pytest.mark.parametrize("method", METHODS)


@dataclass(frozen=True)
class ModelClass:
    """A class of transformers for which adapters exist."""

    architecture: str
    cls: type[PreTrainedModel]

    @property
    def attentions(self) -> tuple[str, ...]:
        return ("eager", "sdpa") if self.cls._supports_sdpa else ("eager",)


def model_classes() -> Iterator[ModelClass]:
    """Every base model and every class with a head, of all architectures."""
    for architecture in ARCHITECTURES:
        for cls in load_integration(f"generated.models.{architecture}").adapted_classes:
            if issubclass(cls, PreTrainedModel) and cls is not hf.models.bart.modeling_bart.BartDecoderWrapper:
                yield ModelClass(architecture, cls)


def build(
    architecture: str, cls: type[PreTrainedModel] | None = None, attention: str = "eager", **changes: Any
) -> PreTrainedModel:
    """A model in eval mode, with weights large enough that everything in it shows in the output; `changes` are values
    of its configuration."""
    torch.manual_seed(0)
    cls, config = cls or BASE_MODELS[architecture], CONFIGS[architecture]()
    config.update(changes)
    model = cls._from_config(config, attn_implementation=attention).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.3)
    return model


def build_adapted(
    architecture: str, method: str, cls: type[PreTrainedModel] | None = None, attention: str = "eager"
) -> PreTrainedModel:
    """A model with one active random adapter, called like its method."""
    model = generated.init(build(architecture, cls, attention))
    add_random(model, method, METHODS[method]())
    return model


def add_random(model: nn.Module, name: str, config: AdapterConfig | str) -> None:
    """Add and activate an adapter none of whose weights is zero."""
    model.add_adapter(name, config=config, set_active=True)
    generator = torch.Generator().manual_seed(len(name))
    with torch.no_grad():
        for parameter in adapter_parameters(model.base_model, name):
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))


def fresh(architecture: str, cls: type[PreTrainedModel] | None = None) -> PreTrainedModel:
    """A model without adapters that can take some."""
    return generated.init(build(architecture, cls))


def inputs_for(architecture: str, cls: type[PreTrainedModel] | None = None) -> dict[str, Tensor]:
    """A padded batch that the class accepts."""
    generator = torch.Generator().manual_seed(1)
    if architecture == "vit":
        return {"pixel_values": torch.randn(2, 3, 8, 8, generator=generator)}
    shape = (2, 3, 7) if cls is not None and "MultipleChoice" in cls.__name__ else (2, 7)
    inputs = {
        "input_ids": torch.randint(3, VOCABULARY, shape, generator=generator),
        "attention_mask": torch.ones(shape, dtype=torch.long),
    }
    inputs["attention_mask"][0, ..., 5:] = 0
    if architecture in ("bart", "t5"):
        # Both rows end in the token from which sentence representations are taken.
        inputs["input_ids"][..., -1] = 2 if architecture == "bart" else 1
        if cls is None or not {"CausalLM", "TokenClassification", "EncoderModel"} & _endings(cls):
            inputs["decoder_input_ids"] = inputs["input_ids"].clone()
    return inputs


def call(model: nn.Module, inputs: dict[str, Any]) -> list[Tensor]:
    """All floating point tensors of the model's output, without gradients."""
    with torch.no_grad():
        return floats(model(**inputs))


def floats(output: Any) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output] if output.is_floating_point() else []
    values = output.values() if isinstance(output, dict) else output if isinstance(output, list | tuple) else ()
    return [tensor for value in values for tensor in floats(value)]


def assert_identical(first: list[Tensor], second: list[Tensor]) -> None:
    assert len(first) == len(second) > 0
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def differ(first: list[Tensor], second: list[Tensor]) -> bool:
    return any((a - b).abs().max() > 1e-4 for a, b in zip(first, second, strict=True))


HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs")


def tree(model: nn.Module) -> dict[str, Any]:
    """Everything about the modules of a model but the values of their parameters."""
    return {
        path: (type(module), frozenset(vars(module)), *(len(getattr(module, hooks)) for hooks in HOOKS))
        for path, module in model.named_modules()
    }


def _endings(cls: type) -> set[str]:
    return {ending for ending in ("CausalLM", "TokenClassification", "EncoderModel") if cls.__name__.endswith(ending)}
