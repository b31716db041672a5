# Copyright (c) 2024, The Fused Encoder Authors.
"""BERT with rotary positions, one projection for queries, keys and values, and a norm after each residual."""

from typing import Optional

import torch
import torch.nn as nn
import torch.nn.functional as F
from transformers.modeling_outputs import (
    BaseModelOutputWithPooling,
    MaskedLMOutput,
    SequenceClassifierOutput,
)
from transformers.modeling_utils import PreTrainedModel

from .configuration_fused_encoder import FusedEncoderConfig


class FusedEncoderEmbeddings(nn.Module):
    def __init__(self, config):
        """There are no position embeddings: positions are rotary."""
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.n_embd, padding_idx=config.pad_token_id)
        self.type_vocab_size = config.type_vocab_size
        if self.type_vocab_size > 0:
            self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.n_embd)

    def forward(self, input_ids=None, token_type_ids=None, inputs_embeds=None):
        if inputs_embeds is None:
            embeddings = self.word_embeddings(input_ids)
        else:
            embeddings = inputs_embeds
        if self.type_vocab_size > 0:
            if token_type_ids is None:
                token_type_ids = torch.zeros(embeddings.shape[:2], dtype=torch.long, device=embeddings.device)
            embeddings = embeddings + self.token_type_embeddings(token_type_ids)
        return embeddings


class FusedEncoderMLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden_features = config.n_inner if config.n_inner is not None else 4 * config.n_embd
        self.fc1 = nn.Linear(config.n_embd, hidden_features)
        approximate = "tanh" if config.activation_function in ["gelu_new", "gelu_fast"] else "none"
        self.activation = nn.GELU(approximate=approximate)
        self.fc2 = nn.Linear(hidden_features, config.n_embd)

    def forward(self, x):
        y = self.fc1(x)
        y = self.activation(y)
        return self.fc2(y)


def rotate_half(x):
    x1, x2 = x.chunk(2, dim=-1)
    return torch.cat((-x2, x1), dim=-1)


class FusedEncoderRotaryEmbedding(nn.Module):
    def __init__(self, dim: int, base=10000.0):
        super().__init__()
        self.dim = dim
        self.base = float(base)

    def forward(self, x):
        """x: (batch, heads, length, head_dim)"""
        t = torch.arange(x.shape[-2], device=x.device, dtype=torch.float32)
        inv_freq = 1.0 / (self.base ** (torch.arange(0, self.dim, 2, device=x.device, dtype=torch.float32) / self.dim))
        freqs = torch.outer(t, inv_freq)
        emb = torch.cat((freqs, freqs), dim=-1)
        return x * emb.cos().to(x.dtype) + rotate_half(x) * emb.sin().to(x.dtype)


class FusedEncoderAttention(nn.Module):
    """Multi-head self-attention with one projection"""

    def __init__(self, config) -> None:
        super().__init__()
        self.embed_dim = config.n_embd
        self.num_heads = config.n_head
        assert self.embed_dim % self.num_heads == 0, "embed_dim must be divisible by num_heads"
        self.head_dim = self.embed_dim // self.num_heads
        self.norm_factor = self.head_dim**0.5
        self.rotary_emb = FusedEncoderRotaryEmbedding(self.head_dim, base=config.rotary_emb_base)
        self.Wqkv = nn.Linear(self.embed_dim, 3 * self.embed_dim, bias=config.qkv_proj_bias)
        self.out_proj = nn.Linear(self.embed_dim, self.embed_dim, bias=config.qkv_proj_bias)
        self.drop = nn.Dropout(config.attn_pdrop)

    def forward(self, hidden_states, attention_mask=None):
        batch_size, seq_len, _ = hidden_states.shape
        query, key, value = self.Wqkv(hidden_states).chunk(3, dim=-1)
        query = query.view(batch_size, seq_len, self.num_heads, self.head_dim).transpose(1, 2)
        key = key.view(batch_size, seq_len, self.num_heads, self.head_dim).transpose(1, 2)
        value = value.view(batch_size, seq_len, self.num_heads, self.head_dim).transpose(1, 2)
        query = self.rotary_emb(query)
        key = self.rotary_emb(key)

        attention_scores = torch.matmul(query, key.transpose(-1, -2)) / self.norm_factor
        if attention_mask is not None:
            attention_scores = attention_scores + attention_mask
        attentions_probs = F.softmax(attention_scores, dim=-1)
        attentions_probs = self.drop(attentions_probs)

        attn_output = torch.matmul(attentions_probs, value)
        attn_output = attn_output.transpose(1, 2).reshape(batch_size, seq_len, self.embed_dim)
        return self.out_proj(attn_output)


class FusedEncoderBlock(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attn = FusedEncoderAttention(config)
        self.dropout1 = nn.Dropout(config.resid_pdrop)
        self.norm1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.mlp = FusedEncoderMLP(config)
        self.dropout2 = nn.Dropout(config.resid_pdrop)
        self.norm2 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)

    def forward(self, hidden_states, attention_mask=None):
        attn_outputs = self.attn(hidden_states, attention_mask=attention_mask)
        hidden_states = self.norm1(self.dropout1(attn_outputs) + hidden_states)
        mlp_out = self.mlp(hidden_states)
        hidden_states = self.norm2(self.dropout2(mlp_out) + hidden_states)
        return (hidden_states,)


class FusedEncoderPreTrainedModel(PreTrainedModel):
    config_class = FusedEncoderConfig
    base_model_prefix = "encoder_model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["FusedEncoderBlock"]

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
            if module.padding_idx is not None:
                nn.init.zeros_(module.weight[module.padding_idx])


class FusedEncoderStack(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList([FusedEncoderBlock(config) for _ in range(config.n_layer)])
        self.gradient_checkpointing = False

    def forward(self, hidden_states, attention_mask=None, output_hidden_states=False):
        all_hidden_states = ()
        for layer in self.layers:
            if output_hidden_states:
                all_hidden_states = all_hidden_states + (hidden_states,)
            if self.gradient_checkpointing and self.training:
                outputs = self._gradient_checkpointing_func(layer.__call__, hidden_states, attention_mask)
            else:
                outputs = layer(hidden_states, attention_mask)
            hidden_states = outputs[0]
        if output_hidden_states:
            all_hidden_states = all_hidden_states + (hidden_states,)
        return hidden_states, all_hidden_states


class FusedEncoderPooler(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dense = nn.Linear(config.n_embd, config.n_embd)
        self.activation = nn.Tanh()

    def forward(self, hidden_states):
        # We "pool" the model by simply taking the hidden state corresponding to the first token.
        first_token_tensor = hidden_states[:, 0]
        return self.activation(self.dense(first_token_tensor))


class FusedEncoderModel(FusedEncoderPreTrainedModel):
    def __init__(self, config: FusedEncoderConfig, add_pooling_layer=True):
        super().__init__(config)
        self.embeddings = FusedEncoderEmbeddings(config)
        self.emb_drop = nn.Dropout(config.embd_pdrop)
        self.emb_ln = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.encoder = FusedEncoderStack(config)
        self.pooler = FusedEncoderPooler(config) if add_pooling_layer else None
        self.post_init()

    def get_input_embeddings(self):
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, value):
        self.embeddings.word_embeddings = value

    def forward(
        self,
        input_ids: Optional[torch.LongTensor] = None,
        attention_mask: Optional[torch.Tensor] = None,
        token_type_ids: Optional[torch.LongTensor] = None,
        inputs_embeds: Optional[torch.Tensor] = None,
        output_hidden_states: Optional[bool] = None,
        return_dict: Optional[bool] = None,
        **kwargs,
    ):
        return_dict = return_dict if return_dict is not None else self.config.return_dict
        output_hidden_states = (
            output_hidden_states if output_hidden_states is not None else self.config.output_hidden_states
        )
        hidden_states = self.embeddings(input_ids, token_type_ids, inputs_embeds)
        if attention_mask is None:
            attention_mask = torch.ones(hidden_states.shape[:2], dtype=torch.long, device=hidden_states.device)
        extended_attention_mask = attention_mask[:, None, None, :].to(hidden_states.dtype)
        extended_attention_mask = (1.0 - extended_attention_mask) * torch.finfo(hidden_states.dtype).min
        hidden_states = self.emb_ln(hidden_states)
        hidden_states = self.emb_drop(hidden_states)
        sequence_output, all_hidden_states = self.encoder(
            hidden_states, extended_attention_mask, output_hidden_states=output_hidden_states
        )
        pooled_output = self.pooler(sequence_output) if self.pooler is not None else None
        if not return_dict:
            return (sequence_output, pooled_output)
        return BaseModelOutputWithPooling(
            last_hidden_state=sequence_output,
            pooler_output=pooled_output,
            hidden_states=all_hidden_states if output_hidden_states else None,
        )


class FusedEncoderForMaskedLM(FusedEncoderPreTrainedModel):
    _tied_weights_keys = {"lm_head.weight": "encoder_model.embeddings.word_embeddings.weight"}

    def __init__(self, config: FusedEncoderConfig):
        super().__init__(config)
        self.encoder_model = FusedEncoderModel(config, add_pooling_layer=False)
        self.dense = nn.Linear(config.n_embd, config.n_embd)
        self.transform_act_fn = nn.GELU()
        self.layer_norm = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=True)
        self.post_init()

    def get_output_embeddings(self):
        return self.lm_head

    def set_output_embeddings(self, new_embeddings):
        self.lm_head = new_embeddings

    def forward(
        self, input_ids=None, attention_mask=None, token_type_ids=None, inputs_embeds=None, labels=None, **kwargs
    ):
        outputs = self.encoder_model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            inputs_embeds=inputs_embeds,
        )
        hidden_states = self.layer_norm(self.transform_act_fn(self.dense(outputs[0])))
        logits = self.lm_head(hidden_states)

        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits.view(-1, self.config.vocab_size), labels.view(-1))
        return MaskedLMOutput(loss=loss, logits=logits)


class FusedEncoderForSequenceClassification(FusedEncoderPreTrainedModel):
    def __init__(self, config: FusedEncoderConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.encoder_model = FusedEncoderModel(config)
        self.dropout = nn.Dropout(config.resid_pdrop)
        self.classifier = nn.Linear(config.n_embd, config.num_labels)
        self.post_init()

    def forward(
        self, input_ids=None, attention_mask=None, token_type_ids=None, inputs_embeds=None, labels=None, **kwargs
    ):
        outputs = self.encoder_model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            inputs_embeds=inputs_embeds,
        )
        pooled_output = self.dropout(outputs[1])
        logits = self.classifier(pooled_output)

        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits.view(-1, self.num_labels), labels.view(-1))
        return SequenceClassifierOutput(loss=loss, logits=logits)
