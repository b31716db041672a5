"""Case model: one linear module makes queries, keys and values, and each head of its output is cut in three."""

import torch
from torch import nn

from ...activations import ACT2FN
from ...masking_utils import create_causal_mask
from ...modeling_layers import GradientCheckpointingLayer
from ...modeling_outputs import BaseModelOutput
from ...modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel
from ...utils.output_capturing import capture_outputs
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
        self.num_heads = config.num_attention_heads
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.is_causal = True
        self.qkv_proj = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.out = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states, attention_mask=None, **kwargs):
        qkv = self.qkv_proj(hidden_states)
        shape = (*qkv.size()[:-1], self.num_heads, -1)
        query, key, value = qkv.view(shape).permute(0, 2, 1, 3).chunk(3, dim=-1)

        attention_interface = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        attn_output, _ = attention_interface(
            self, query, key, value, attention_mask, scaling=self.head_dim**-0.5, **kwargs
        )
        return self.out(attn_output.reshape(*hidden_states.shape[:-1], -1))


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

    def forward(self, hidden_states, attention_mask=None, **kwargs):
        hidden_states = hidden_states + self.attn(self.ln_1(hidden_states), attention_mask, **kwargs)
        hidden_states = hidden_states + self.mlp(self.ln_2(hidden_states))
        return hidden_states


class CasePreTrainedModel(PreTrainedModel):
    config: CaseConfig
    base_model_prefix = "model"
    _supports_sdpa = True
    _supports_attention_backend = True
    _can_record_outputs = {"hidden_states": CaseLayer, "attentions": CaseAttention}


class CaseModel(CasePreTrainedModel):
    def __init__(self, config: CaseConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.layers = nn.ModuleList([CaseLayer(config) for _ in range(config.num_hidden_layers)])
        self.norm = nn.LayerNorm(config.hidden_size)
        self.post_init()

    @capture_outputs
    def forward(self, input_ids=None, attention_mask=None, inputs_embeds=None, **kwargs):
        if inputs_embeds is None:
            inputs_embeds = self.embed_tokens(input_ids)
        attention_mask = create_causal_mask(
            config=self.config, inputs_embeds=inputs_embeds, attention_mask=attention_mask, past_key_values=None
        )
        hidden_states = self.dropout(inputs_embeds)
        for layer in self.layers:
            hidden_states = layer(hidden_states, attention_mask, **kwargs)
        return BaseModelOutput(last_hidden_state=self.norm(hidden_states))
