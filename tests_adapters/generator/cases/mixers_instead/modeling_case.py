"""Case model: in the place of an attention some layers mix positions otherwise, none of which is a feed-forward."""

import torch
from torch import nn

from ...activations import ACT2FN
from ...generation import GenerationMixin
from ...masking_utils import create_causal_mask
from ...modeling_layers import GradientCheckpointingLayer
from ...modeling_outputs import BaseModelOutput, CausalLMOutput
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
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.is_causal = True
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states, attention_mask=None, **kwargs):
        input_shape = hidden_states.shape[:-1]
        hidden_shape = (*input_shape, -1, self.head_dim)
        query_states = self.q_proj(hidden_states).view(hidden_shape).transpose(1, 2)
        key_states = self.k_proj(hidden_states).view(hidden_shape).transpose(1, 2)
        value_states = self.v_proj(hidden_states).view(hidden_shape).transpose(1, 2)

        attention_interface = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        attn_output, attn_weights = attention_interface(
            self,
            query_states,
            key_states,
            value_states,
            attention_mask,
            scaling=self.scaling,
            **kwargs,
        )
        attn_output = attn_output.reshape(*input_shape, -1)
        return self.out_proj(attn_output), attn_weights


class CaseMLP(nn.Module):
    def __init__(self, config: CaseConfig):
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.activation_fn = ACT2FN[config.hidden_act]

    def forward(self, hidden_states):
        return self.fc2(self.activation_fn(self.fc1(hidden_states)))


class CaseGatedConvolution(nn.Module):
    def __init__(self, config: CaseConfig):
        super().__init__()
        self.in_proj = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.conv = nn.Conv1d(config.hidden_size, config.hidden_size, 3, padding=2, groups=config.hidden_size)
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation_fn = ACT2FN[config.hidden_act]

    def forward(self, hidden_states):
        before, after, states = self.in_proj(hidden_states).transpose(1, 2).chunk(3, dim=1)
        convolved = self.conv(before * states)[..., : hidden_states.shape[1]]
        return self.out_proj((after * self.activation_fn(convolved)).transpose(1, 2))


class CaseLinearAttention(nn.Module):
    def __init__(self, config: CaseConfig):
        super().__init__()
        self.qkv_proj = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation_fn = ACT2FN[config.hidden_act]

    def forward(self, hidden_states):
        query, key, value = self.activation_fn(self.qkv_proj(hidden_states)).chunk(3, dim=-1)
        return self.out_proj(torch.matmul(query, torch.matmul(key.transpose(1, 2), value)))


class CaseLayer(GradientCheckpointingLayer):
    def __init__(self, config: CaseConfig, layer_idx: int):
        super().__init__()
        self.kind = config.layer_types[layer_idx]
        if self.kind == "attention":
            self.self_attn = CaseAttention(config)
        elif self.kind == "convolution":
            self.conv = CaseGatedConvolution(config)
        else:
            self.linear_attn = CaseLinearAttention(config)
        self.mlp = CaseMLP(config)
        self.gate = nn.Linear(config.hidden_size, 1)
        self.input_layernorm = nn.LayerNorm(config.hidden_size)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden_states, attention_mask=None, **kwargs):
        residual = hidden_states
        hidden_states = self.input_layernorm(hidden_states)
        if self.kind == "attention":
            hidden_states, _ = self.self_attn(hidden_states, attention_mask, **kwargs)
        elif self.kind == "convolution":
            hidden_states = self.conv(hidden_states)
        else:
            hidden_states = self.linear_attn(hidden_states)
        hidden_states = residual + hidden_states

        residual = hidden_states
        hidden_states = self.post_attention_layernorm(hidden_states)
        hidden_states = torch.sigmoid(self.gate(nn.functional.silu(hidden_states))) * self.mlp(hidden_states)
        hidden_states = residual + hidden_states
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
        self.layers = nn.ModuleList([CaseLayer(config, index) for index in range(config.num_hidden_layers)])
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


class CaseForCausalLM(CasePreTrainedModel, GenerationMixin):
    def __init__(self, config: CaseConfig):
        super().__init__(config)
        self.model = CaseModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, inputs_embeds=None, **kwargs):
        outputs = self.model(input_ids, attention_mask=attention_mask, inputs_embeds=inputs_embeds, **kwargs)
        return CausalLMOutput(logits=self.lm_head(outputs.last_hidden_state))
