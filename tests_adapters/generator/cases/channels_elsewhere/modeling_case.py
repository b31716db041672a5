"""Case model: positions come from a convolution, positions are mixed by maps, and channels go in front."""

import torch
from torch import nn

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
        attn_weights = torch.matmul(query, key.transpose(-1, -2)) * self.head_dim**-0.5
        if attention_mask is not None:
            attn_weights = attn_weights + attention_mask
        attn_weights = nn.functional.softmax(attn_weights, dim=-1)
        attn_output = torch.matmul(attn_weights, value)
        attn_output = attn_output.transpose(1, 2).reshape(hidden_states.shape)
        return self.out_proj(attn_output), attn_weights


class CaseLayer(GradientCheckpointingLayer):
    def __init__(self, config: CaseConfig):
        super().__init__()
        self.attn = CaseAttention(config)
        self.mixer = nn.Linear(config.max_position_embeddings, config.max_position_embeddings)
        self.conv = nn.Conv1d(config.hidden_size, config.hidden_size, 3, padding=1, groups=config.hidden_size)
        self.ln_1 = nn.LayerNorm(config.hidden_size)
        self.ln_2 = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden_states, attention_mask=None):
        residual = hidden_states
        attn_output, attn_weights = self.attn(self.ln_1(hidden_states), attention_mask)
        # residual connection
        hidden_states = attn_output + residual

        hidden_states = hidden_states.transpose(1, 2)
        hidden_states = hidden_states + self.conv(hidden_states)
        hidden_states = hidden_states.transpose(1, 2)
        mixed = self.mixer(self.ln_2(hidden_states).transpose(1, 2)).transpose(1, 2)
        hidden_states = hidden_states + mixed
        return hidden_states.transpose(1, 2), attn_weights


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
