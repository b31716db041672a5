"""Where do the recorded numbers follow from a peculiarity of the recording library that we do not share?

To compare everything else, tests let our models do what the library does.

Relative positions under a prefix, in T5. The library computes the bias for keys that include the prefix, as if the P
positions of the prefix were the first P tokens: every key seems P positions further right than it is. Where the first
layer has no prefix, it drops the bias in all later layers. Here the prefix has bias 0 and tokens keep their positions.

Norms of another layer, in Gemma 2 and ModernBERT: the library gives every bottleneck adapter the norms of the last
layer. In ModernBERT, moreover, it takes the normalised input of a sub-layer for the residual, and the norm in front of
the feed-forward for one after the attention. Here each layer has its own norm, and the stream is the residual.

Scaled embeddings, in Gemma 2: invertible adapters act in front of the factor. Here on what enters the first layer.

Means by singular values. The library keeps alpha, so that the scaling alpha / r of the mean is another one than that
of the adapters it is made of, unless it has their rank. Here alpha follows the rank; tests take it back.

The end of the encoder, in Whisper: invertible adapters act on what leaves it. Here on what enters its first layer.

DiReFT in files. The library's files do not say that the projection is not subtracted, so that DiReFT comes back as
NoReFT. Numbers that were recorded before saving are those of DiReFT; ours keeps the flag, and a test sets it.

Prompts and padding, in DeBERTa-v2. The library lets prompts attend to padding, and padding to prompts. Here not.

Prompts and padding, in DistilBERT. The library adds 1 to all scores of the prompt, and to those that words give it,
so that the prompt attends to padding, too. Here it attends to what is there, as everything does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.deberta_v2.modeling_deberta_v2 import DebertaV2Model
from transformers.models.distilbert.modeling_distilbert import DistilBertModel
from transformers.models.gemma2.modeling_gemma2 import Gemma2Model
from transformers.models.modernbert.modeling_modernbert import ModernBertModel
from transformers.models.t5.modeling_t5 import T5Attention, T5Block
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from generated.core.layers import PrefixTuningShim
from generated.core.layers.adapter_layer import AdapterLayerMixin
from generated.core.layers.bottleneck import BottleneckAdapter
from generated.core.layers.invertible import InvertibleAdapters
from generated.core.layers.reft import ReftUnit


def imitate(model: nn.Module) -> None:
    """Let a model do what the library does in the places above. Other models are left alone."""
    shift_relative_positions(model)
    for base in model.modules():
        if isinstance(base, Gemma2Model):
            take_norms_of_last_layer(base)
            adapt_before_scaling(base)
        if isinstance(base, ModernBertModel):
            take_normalised_residuals(base)
        if isinstance(base, DistilBertModel):
            add_one_at_prompts(base)
        if isinstance(base, DebertaV2Model):
            let_prompts_attend_to_padding(base)
        if isinstance(base, WhisperEncoder):
            adapt_output_of_encoder(base)


def take_norms_of_last_layer(base: Gemma2Model) -> None:
    last = base.layers[-1]
    for layer in base.layers:
        for slot, norm in (
            ("attention_adapters", last.post_attention_layernorm),
            ("output_adapters", last.post_feedforward_layernorm),
        ):
            for adapter in adapters_of(layer, slot):
                adapter.before = Before(adapter, norm=norm)


def let_prompts_attend_to_padding(base: DebertaV2Model) -> None:
    prompt, original = getattr(base, "prompt_tuning", None), base.encoder.get_attention_mask

    def get_attention_mask(attention_mask: Tensor) -> Tensor:
        mask = original(attention_mask).clone()
        own = slice(0, prompt.room.length)
        mask[..., own, :] = mask[..., own] = 1
        return mask

    if prompt is not None:
        base.encoder.get_attention_mask = get_attention_mask


def add_one_at_prompts(base: DistilBertModel) -> None:
    def changed(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        mask, prompt = kwargs.get("attention_mask"), getattr(base, "prompt_tuning", None)
        if mask is None or prompt is None:
            return args, kwargs
        own = slice(0, prompt.room.length)
        scores = torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(torch.float32).min)
        scores = scores.expand(-1, -1, mask.shape[-1], -1).clone()
        scores[..., own] = scores[..., own, :] = 1.0
        return args, {**kwargs, "attention_mask": scores}

    for layer in base.transformer.layer:
        layer.attention.register_forward_pre_hook(changed, with_kwargs=True)


def take_normalised_residuals(base: ModernBertModel) -> None:
    for layer in base.layers:
        for adapter in adapters_of(layer, "attention_adapters"):
            adapter.before = Before(adapter, norm=base.layers[-1].mlp_norm, residual=layer.attn_norm)
        for adapter in adapters_of(layer, "output_adapters"):
            adapter.before = Before(adapter, norm=None, residual=layer.mlp_norm)


def adapt_before_scaling(base: Gemma2Model) -> None:
    scale = base.config.hidden_size**0.5
    for adapters in (module for module in base.modules() if isinstance(module, InvertibleAdapters)):
        for adapter in adapters.values():
            adapter.register_forward_pre_hook(lambda module, args: (args[0] / scale, *args[1:]))
            adapter.register_forward_hook(lambda module, args, output: output * scale)


def adapt_output_of_encoder(encoder: WhisperEncoder) -> None:
    adapters: InvertibleAdapters | None = getattr(encoder, "invertible_adapters", None)
    if adapters is not None:
        first = encoder.layers[0]
        first._forward_pre_hooks.clear()
        first._forward_pre_hooks_with_kwargs.clear()
        encoder.layer_norm.register_forward_hook(adapters.adapt_output)


def adapters_of(layer: nn.Module, slot: str) -> Iterator[BottleneckAdapter]:
    held: AdapterLayerMixin | None = getattr(layer, slot, None)
    yield from held.adapters.values() if held is not None else ()


class Before:
    """Takes the place of `BottleneckAdapter.before`, with another norm, and another norm for the residual."""

    def __init__(
        self,
        adapter: BottleneckAdapter,
        norm: nn.Module | None,
        residual: Callable[[Tensor], Tensor] = lambda stream: stream,
    ) -> None:
        self.original, self.norm, self.residual = adapter.before, norm, residual

    def __call__(self, hidden_states: Tensor, residual: Tensor, norm: nn.Module | None) -> tuple[Tensor, Tensor]:
        return self.original(hidden_states, self.residual(residual), self.norm)


def shift_relative_positions(model: nn.Module) -> None:
    """Let every T5 stack in `model` treat active prefixes as its first tokens. Other models are left alone."""
    for stack in (module for module in model.modules() if _is_t5_stack(module)):
        attentions = [block.layer[0].SelfAttention for block in stack.block]
        for attention in attentions:
            if hasattr(attention, "prefix_tuning"):
                attention.prefix_tuning.extend_bias = ShiftedBias(attention.prefix_tuning, attentions[0])


def keep_alpha(model: nn.Module, name: str, alpha: float) -> None:
    """Scale a mean by singular values as if its alpha were that of the adapters it was made of."""
    for loras in (module.loras for module in model.modules() if name in getattr(module, "loras", ())):
        loras[name].scaling = alpha / loras[name].r


class ShiftedBias:
    """Takes the place of `PrefixTuningShim.extend_bias`."""

    def __init__(self, shim: PrefixTuningShim, first: T5Attention) -> None:
        self.shim, self.first = shim, first

    def __call__(self, position_bias: Tensor) -> Tensor:
        if self.shim.length == 0:
            return position_bias
        *_, queries, keys = position_bias.shape
        length = keys + self.shim.length
        first_shim = getattr(self.first, "prefix_tuning", None)
        if first_shim is None or first_shim.length == 0:
            return position_bias.new_zeros(*position_bias.shape[:-1], length)
        return self.first.compute_bias(queries, length, past_seen_tokens=keys - queries)


def subtract_nothing(model: nn.Module) -> None:
    """Let every ReFT in `model` be DiReFT."""
    for unit in (module for module in model.modules() if isinstance(module, ReftUnit)):
        unit.subtracts = False


def _is_t5_stack(module: nn.Module) -> bool:
    blocks = getattr(module, "block", None)
    return isinstance(blocks, nn.ModuleList) and isinstance(blocks[0], T5Block)
