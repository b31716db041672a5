"""Case model: sequences follow one another in one row; there are fewer heads of keys than of queries."""

import torch
from torch import nn

from ...activations import ACT2FN
from ...modeling_layers import GradientCheckpointingLayer
from ...modeling_outputs import BaseModelOutput
from ...modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel
from ...utils.generic import is_flash_attention_requested
from .configuration_case import CaseConfig


def eager_attention_forward(module, query, key, value, attention_mask, scaling, dropout=0.0, **kwargs):
    attn_weights = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        attn_weights = attn_weights + attention_mask
    attn_weights = nn.functional.softmax(attn_weights, dim=-1)
    attn_weights = nn.functional.dropout(attn_weights, p=dropout, training=module.training)
    attn_output = torch.matmul(attn_weights, value)
    return attn_output.transpose(1, 2).contiguous(), attn_weights


class CaseAttention(nn.Module):
    def __init__(self, config: CaseConfig):
        super().__init__()
        self.config = config
        self.num_heads = config.num_heads
        self.is_causal = False
        self.head_dim = config.hidden_size // config.num_heads
        self.kv_width = config.num_kv_heads * self.head_dim
        self.qkv = nn.Linear(config.hidden_size, config.hidden_size + 2 * self.kv_width)
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states, boundaries):
        length = hidden_states.shape[0]
        widths = [self.num_heads * self.head_dim, self.kv_width, self.kv_width]
        query, key, value = self.qkv(hidden_states).split(widths, dim=-1)
        query = query.view(length, -1, self.head_dim).transpose(0, 1).unsqueeze(0)
        key = key.view(length, -1, self.head_dim).transpose(0, 1).unsqueeze(0)
        value = value.view(length, -1, self.head_dim).transpose(0, 1).unsqueeze(0)

        attention_interface = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        if is_flash_attention_requested(self.config):
            attn_output, _ = attention_interface(
                self,
                query,
                key,
                value,
                attention_mask=None,
                scaling=self.head_dim**-0.5,
                cu_seq_lens_q=boundaries,
                cu_seq_lens_k=boundaries,
                is_causal=False,
            )
        else:
            lengths = boundaries[1:] - boundaries[:-1]
            splits = [torch.split(tensor, lengths.tolist(), dim=2) for tensor in (query, key, value)]
            attn_outputs = [
                attention_interface(self, q, k, v, None, scaling=self.head_dim**-0.5, is_causal=False)[0]
                for q, k, v in zip(*splits, strict=True)
            ]
            attn_output = torch.cat(attn_outputs, dim=1)
        return self.out_proj(attn_output.reshape(length, -1)), None


class CaseMLP(nn.Module):
    def __init__(self, config: CaseConfig):
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.activation_fn = ACT2FN[config.hidden_act]

    def forward(self, hidden_states):
        return self.fc2(self.activation_fn(self.fc1(hidden_states)))


class CaseLayer(GradientCheckpointingLayer):
    def __init__(self, config: CaseConfig):
        super().__init__()
        self.attn = CaseAttention(config)
        self.mlp = CaseMLP(config)
        self.ln_1 = nn.LayerNorm(config.hidden_size)
        self.ln_2 = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden_states, boundaries):
        residual = hidden_states
        attn_output, attn_weights = self.attn(self.ln_1(hidden_states), boundaries)
        # residual connection
        hidden_states = attn_output + residual

        residual = hidden_states
        feed_forward_hidden_states = self.mlp(self.ln_2(hidden_states))
        # residual connection
        hidden_states = residual + feed_forward_hidden_states
        return hidden_states, attn_weights


class CasePreTrainedModel(PreTrainedModel):
    config: CaseConfig
    base_model_prefix = "transformer"


class CaseModel(CasePreTrainedModel):
    def __init__(self, config: CaseConfig):
        super().__init__(config)
        self.wte = nn.Embedding(config.vocab_size, config.hidden_size)
        self.wpe = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.drop = nn.Dropout(config.embed_dropout)
        self.h = nn.ModuleList([CaseLayer(config) for _ in range(config.num_layers)])
        self.ln_f = nn.LayerNorm(config.hidden_size)
        self.post_init()

    def forward(self, input_ids=None, boundaries=None):
        hidden_states = self.drop(self.wte(input_ids) + self.wpe(torch.arange(input_ids.shape[0])))
        for block in self.h:
            hidden_states, _ = block(hidden_states, boundaries)
        return BaseModelOutput(last_hidden_state=self.ln_f(hidden_states))
