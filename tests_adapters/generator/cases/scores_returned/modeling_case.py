"""Case model: a layer returns the scores of its second attention as they are before their softmax."""

import torch
from torch import nn

from ...activations import ACT2FN
from ...masking_utils import create_causal_mask
from ...modeling_layers import GradientCheckpointingLayer
from ...modeling_outputs import BaseModelOutput
from ...modeling_utils import PreTrainedModel
from .configuration_case import CaseConfig


class CaseAttention(nn.Module):
    def __init__(self, config: CaseConfig):
        super().__init__()
        self.config = config
        self.num_heads = config.num_heads
        self.head_dim = config.hidden_size // config.num_heads
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states, attention_mask=None):
        shape = (*hidden_states.shape[:-1], self.num_heads, self.head_dim)
        query = self.q_proj(hidden_states).view(shape).transpose(1, 2)
        key = self.k_proj(hidden_states).view(shape).transpose(1, 2)
        value = self.v_proj(hidden_states).view(shape).transpose(1, 2)
        attn_weights = torch.einsum("bsij,bsjk->bsik", query * self.head_dim**-0.5, key.transpose(2, 3))
        if attention_mask is not None and attention_mask.dim() == 0:
            attention_mask = None
        if attention_mask is not None:
            attn_weights = attn_weights + attention_mask
        attn_scores = attn_weights
        attn_weights = nn.functional.softmax(attn_weights, dim=-1)
        attn_output = torch.einsum("bsij,bsjk->bsik", attn_weights, value)
        attn_output = attn_output.transpose(1, 2).reshape(hidden_states.shape)
        return self.out_proj(attn_output), attn_scores


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
        self.attn_again = CaseAttention(config)
        self.mlp = CaseMLP(config)
        self.ln_0 = nn.LayerNorm(config.hidden_size)
        self.ln_1 = nn.LayerNorm(config.hidden_size)
        self.ln_2 = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden_states, attention_mask=None):
        residual = hidden_states
        attn_output, _ = self.attn(self.ln_0(hidden_states), attention_mask)
        hidden_states = attn_output + residual

        residual = hidden_states
        attn_output, attn_scores = self.attn_again(self.ln_1(hidden_states), attention_mask)
        hidden_states = attn_output + residual

        residual = hidden_states
        feed_forward_hidden_states = self.mlp(self.ln_2(hidden_states))
        # residual connection
        hidden_states = residual + feed_forward_hidden_states
        return hidden_states, attn_scores


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

    def forward(self, input_ids=None, attention_mask=None):
        position_ids = torch.arange(input_ids.shape[1], device=input_ids.device)
        hidden_states = self.wte(input_ids) + self.wpe(position_ids)
        attention_mask = create_causal_mask(
            config=self.config, inputs_embeds=hidden_states, attention_mask=attention_mask, past_key_values=None
        )
        hidden_states = self.drop(hidden_states)
        for block in self.h:
            hidden_states, _ = block(hidden_states, attention_mask)
        return BaseModelOutput(last_hidden_state=self.ln_f(hidden_states))
