# Copyright 2024 The ALiBi Decoder Authors
"""Decoder with one head for keys and values, attention and feed-forward side by side, and biases for positions."""

import math
from typing import Optional, Tuple, Union

import torch
from torch import nn
from torch.nn import CrossEntropyLoss
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import (
    BaseModelOutputWithPastAndCrossAttentions,
    CausalLMOutputWithCrossAttentions,
)

from .configuration_alibi import AlibiConfig


def build_alibi_tensor(attention_mask: torch.Tensor, num_heads: int, dtype: torch.dtype) -> torch.Tensor:
    """One bias per head and key: (batch, heads, 1, keys)."""
    closest_power_of_2 = 2 ** math.floor(math.log2(num_heads))
    base = torch.tensor(2 ** (-(2 ** -(math.log2(closest_power_of_2) - 3))), device=attention_mask.device)
    powers = torch.arange(1, 1 + closest_power_of_2, device=attention_mask.device, dtype=torch.int32)
    slopes = torch.pow(base, powers)

    if closest_power_of_2 != num_heads:
        extra_base = torch.tensor(
            2 ** (-(2 ** -(math.log2(2 * closest_power_of_2) - 3))), device=attention_mask.device
        )
        num_remaining_heads = min(closest_power_of_2, num_heads - closest_power_of_2)
        extra_powers = torch.arange(1, 1 + 2 * num_remaining_heads, 2, device=attention_mask.device, dtype=torch.int32)
        slopes = torch.cat([slopes, torch.pow(extra_base, extra_powers)], dim=0)

    # Note: alibi will be added to the attention bias that is applied to the query, key product of attention
    positions = ((attention_mask.cumsum(dim=-1) - 1) * attention_mask)[:, None, None, :]
    return (slopes[None, :, None, None] * positions).to(dtype)


class AlibiAttention(nn.Module):
    """Attention of many queries over one head of keys and values."""

    def __init__(self, config: AlibiConfig, layer_idx: int):
        super().__init__()
        self.hidden_size = config.d_model
        self.num_heads = config.n_heads
        self.head_dim = config.d_model // config.n_heads
        self.layer_idx = layer_idx
        # Layer-wise attention scaling
        self.inv_norm_factor = 1.0 / math.sqrt(self.head_dim)
        self.query = nn.Linear(config.d_model, config.d_model, bias=config.bias)
        self.key = nn.Linear(config.d_model, self.head_dim, bias=config.bias)
        self.value = nn.Linear(config.d_model, self.head_dim, bias=config.bias)
        self.dense = nn.Linear(config.d_model, config.d_model, bias=config.bias)
        self.attention_dropout = nn.Dropout(config.attn_pdrop)

    def forward(
        self,
        hidden_states: torch.Tensor,
        alibi: torch.Tensor,
        attention_mask: torch.Tensor,
        layer_past: Optional[Cache] = None,
        output_attentions: bool = False,
    ):
        batch_size, query_length, _ = hidden_states.shape
        query_layer = self.query(hidden_states).view(batch_size, query_length, self.num_heads, self.head_dim)
        query_layer = query_layer.transpose(1, 2)
        key_layer = self.key(hidden_states).view(batch_size, query_length, 1, self.head_dim).transpose(1, 2)
        value_layer = self.value(hidden_states).view(batch_size, query_length, 1, self.head_dim).transpose(1, 2)

        if layer_past is not None:
            key_layer, value_layer = layer_past.update(key_layer, value_layer, self.layer_idx)

        attention_scores = query_layer @ key_layer.transpose(-1, -2)
        attention_scores = attention_scores * self.inv_norm_factor
        attention_scores = attention_scores + alibi
        attention_probs = F.softmax(attention_scores + attention_mask, dim=-1, dtype=hidden_states.dtype)
        # [batch_size, num_heads, q_length, kv_length]
        attention_probs = self.attention_dropout(attention_probs)

        context_layer = attention_probs @ value_layer
        context_layer = context_layer.transpose(1, 2).reshape(batch_size, query_length, self.hidden_size)
        output_tensor = self.dense(context_layer)
        if output_attentions:
            return output_tensor, attention_probs
        return output_tensor, None


class AlibiMLP(nn.Module):
    def __init__(self, config: AlibiConfig):
        super().__init__()
        self.dense_h_to_4h = nn.Linear(config.d_model, config.expansion_ratio * config.d_model, bias=config.bias)
        self.act = nn.GELU()
        self.dense_4h_to_h = nn.Linear(config.expansion_ratio * config.d_model, config.d_model, bias=config.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.dense_h_to_4h(x))
        x = self.dense_4h_to_h(x)
        return x


class AlibiBlock(nn.Module):
    def __init__(self, config: AlibiConfig, layer_idx: int):
        super().__init__()
        self.input_layernorm = nn.LayerNorm(config.d_model)
        self.self_attention = AlibiAttention(config, layer_idx)
        self.mlp = AlibiMLP(config)
        self.hidden_dropout = config.resid_pdrop

    def forward(
        self,
        hidden_states: torch.Tensor,
        alibi: torch.Tensor,
        attention_mask: torch.Tensor,
        layer_past: Optional[Cache] = None,
        output_attentions: bool = False,
    ):
        residual = hidden_states
        layernorm_output = self.input_layernorm(hidden_states)

        # Self attention.
        attention_output, attention_probs = self.self_attention(
            layernorm_output,
            alibi=alibi,
            attention_mask=attention_mask,
            layer_past=layer_past,
            output_attentions=output_attentions,
        )

        # MLP.
        mlp_output = self.mlp(layernorm_output)
        mlp_output = F.dropout(mlp_output, p=self.hidden_dropout, training=self.training)
        output = attention_output + mlp_output + residual
        return output, attention_probs


class AlibiPreTrainedModel(PreTrainedModel):
    config_class = AlibiConfig
    base_model_prefix = "transformer"
    supports_gradient_checkpointing = True
    _no_split_modules = ["AlibiBlock"]

    def _init_weights(self, module: nn.Module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            module.weight.data.normal_(mean=0.0, std=self.config.init_std)
            if getattr(module, "bias", None) is not None:
                module.bias.data.zero_()


class AlibiModel(AlibiPreTrainedModel):
    def __init__(self, config: AlibiConfig):
        super().__init__(config)
        self.num_heads = config.n_heads
        self.wte = nn.Embedding(config.vocab_size, config.d_model)
        self.emb_drop = nn.Dropout(config.emb_pdrop)
        self.blocks = nn.ModuleList([AlibiBlock(config, layer_idx=i) for i in range(config.n_layers)])
        self.norm_f = nn.LayerNorm(config.d_model)
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self):
        return self.wte

    def set_input_embeddings(self, value):
        self.wte = value

    def _attn_bias(self, attention_mask: torch.Tensor, query_length: int, dtype: torch.dtype) -> torch.Tensor:
        """(batch, 1, queries, keys): zero where a query may look."""
        key_length = attention_mask.shape[-1]
        causal = torch.ones(query_length, key_length, dtype=torch.bool, device=attention_mask.device)
        causal = torch.tril(causal, diagonal=key_length - query_length)
        allowed = causal[None, None, :, :] & attention_mask[:, None, None, :].bool()
        bias = torch.zeros(allowed.shape, dtype=dtype, device=attention_mask.device)
        return bias.masked_fill(~allowed, torch.finfo(dtype).min)

    def forward(
        self,
        input_ids: Optional[torch.LongTensor] = None,
        past_key_values: Optional[Cache] = None,
        attention_mask: Optional[torch.Tensor] = None,
        inputs_embeds: Optional[torch.LongTensor] = None,
        use_cache: Optional[bool] = None,
        output_attentions: Optional[bool] = None,
        output_hidden_states: Optional[bool] = None,
        return_dict: Optional[bool] = None,
        **kwargs,
    ) -> Union[Tuple[torch.Tensor, ...], BaseModelOutputWithPastAndCrossAttentions]:
        output_attentions = output_attentions if output_attentions is not None else self.config.output_attentions
        output_hidden_states = (
            output_hidden_states if output_hidden_states is not None else self.config.output_hidden_states
        )
        use_cache = use_cache if use_cache is not None else self.config.use_cache
        return_dict = return_dict if return_dict is not None else self.config.return_dict

        if inputs_embeds is None:
            inputs_embeds = self.wte(input_ids)
        hidden_states = self.emb_drop(inputs_embeds)

        if self.gradient_checkpointing and self.training:
            use_cache = False
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache()
        past_length = past_key_values.get_seq_length() if past_key_values is not None else 0
        batch_size, seq_length, _ = hidden_states.shape
        if attention_mask is None:
            attention_mask = torch.ones((batch_size, seq_length + past_length), device=hidden_states.device)
        alibi = build_alibi_tensor(attention_mask, self.num_heads, dtype=hidden_states.dtype)
        attn_bias = self._attn_bias(attention_mask, seq_length, hidden_states.dtype)

        all_self_attentions = () if output_attentions else None
        all_hidden_states = () if output_hidden_states else None
        for block in self.blocks:
            if output_hidden_states:
                all_hidden_states = all_hidden_states + (hidden_states,)
            if self.gradient_checkpointing and self.training:
                outputs = self._gradient_checkpointing_func(
                    block.__call__, hidden_states, alibi, attn_bias, None, output_attentions
                )
            else:
                outputs = block(
                    hidden_states,
                    alibi=alibi,
                    attention_mask=attn_bias,
                    layer_past=past_key_values,
                    output_attentions=output_attentions,
                )
            hidden_states = outputs[0]
            if output_attentions:
                all_self_attentions = all_self_attentions + (outputs[1],)

        # Add last hidden state
        hidden_states = self.norm_f(hidden_states)
        if output_hidden_states:
            all_hidden_states = all_hidden_states + (hidden_states,)

        presents = past_key_values if use_cache else None
        if not return_dict:
            outputs = (hidden_states, presents, all_hidden_states, all_self_attentions)
            return tuple(v for v in outputs if v is not None)

        return BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=hidden_states,
            past_key_values=presents,
            hidden_states=all_hidden_states,
            attentions=all_self_attentions,
        )


class AlibiForCausalLM(AlibiPreTrainedModel, GenerationMixin):
    _tied_weights_keys = {"lm_head.weight": "transformer.wte.weight"}

    def __init__(self, config: AlibiConfig):
        super().__init__(config)
        self.transformer = AlibiModel(config)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self):
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: torch.Tensor):
        self.lm_head = new_embeddings

    def forward(
        self,
        input_ids: Optional[torch.LongTensor] = None,
        past_key_values: Optional[Cache] = None,
        attention_mask: Optional[torch.Tensor] = None,
        inputs_embeds: Optional[torch.Tensor] = None,
        labels: Optional[torch.Tensor] = None,
        use_cache: Optional[bool] = None,
        output_attentions: Optional[bool] = None,
        output_hidden_states: Optional[bool] = None,
        return_dict: Optional[bool] = None,
        **kwargs,
    ) -> Union[Tuple[torch.Tensor], CausalLMOutputWithCrossAttentions]:
        return_dict = return_dict if return_dict is not None else self.config.return_dict

        transformer_outputs = self.transformer(
            input_ids,
            past_key_values=past_key_values,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=return_dict,
        )
        hidden_states = transformer_outputs[0]

        lm_logits = self.lm_head(hidden_states)

        loss = None
        if labels is not None:
            # Shift so that tokens < n predict n
            shift_logits = lm_logits[..., :-1, :].contiguous()
            shift_labels = labels[..., 1:].contiguous()
            batch_size, seq_length, vocab_size = shift_logits.shape
            # Flatten the tokens
            loss_fct = CrossEntropyLoss()
            loss = loss_fct(
                shift_logits.view(batch_size * seq_length, vocab_size), shift_labels.view(batch_size * seq_length)
            )

        if not return_dict:
            output = (lm_logits,) + transformer_outputs[1:]
            return ((loss,) + output) if loss is not None else output

        return CausalLMOutputWithCrossAttentions(
            loss=loss,
            logits=lm_logits,
            past_key_values=transformer_outputs.past_key_values,
            hidden_states=transformer_outputs.hidden_states,
            attentions=transformer_outputs.attentions,
        )
