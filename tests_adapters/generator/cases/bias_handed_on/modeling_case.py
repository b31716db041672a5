"""Case model: what is added to the scores has the mask in it, and goes on to the next layer, which adds it, too."""

import torch
from torch import nn

from ...masking_utils import create_bidirectional_mask
from ...modeling_layers import GradientCheckpointingLayer
from ...modeling_outputs import BaseModelOutput
from ...modeling_utils import PreTrainedModel
from .configuration_case import CaseConfig


class CaseAttention(nn.Module):
    def __init__(self, config: CaseConfig, has_relative_attention_bias: bool):
        super().__init__()
        self.config = config
        self.head_dim = config.d_kv
        self.inner_dim = config.num_heads * config.d_kv
        self.is_causal = False
        self.has_relative_attention_bias = has_relative_attention_bias
        self.q = nn.Linear(config.d_model, self.inner_dim, bias=False)
        self.k = nn.Linear(config.d_model, self.inner_dim, bias=False)
        self.v = nn.Linear(config.d_model, self.inner_dim, bias=False)
        self.o = nn.Linear(self.inner_dim, config.d_model, bias=False)
        if has_relative_attention_bias:
            self.relative_attention_bias = nn.Embedding(config.num_buckets, config.num_heads)

    def compute_bias(self, length, device):
        positions = torch.arange(length, device=device)
        distances = (positions[None, :] - positions[:, None]).abs()
        distances = distances.clamp(max=self.relative_attention_bias.num_embeddings - 1)
        return self.relative_attention_bias(distances).permute(2, 0, 1).unsqueeze(0)

    def forward(self, hidden_states, mask=None, position_bias=None):
        input_shape = hidden_states.shape[:-1]
        hidden_shape = (*input_shape, -1, self.head_dim)
        query_states = self.q(hidden_states).view(hidden_shape).transpose(1, 2)
        key_states = self.k(hidden_states).view(hidden_shape).transpose(1, 2)
        value_states = self.v(hidden_states).view(hidden_shape).transpose(1, 2)

        scores = torch.matmul(query_states, key_states.transpose(3, 2))
        if position_bias is None:
            key_length = key_states.shape[-2]
            if not self.has_relative_attention_bias:
                position_bias = torch.zeros((1, 1, input_shape[1], key_length), device=scores.device)
            else:
                position_bias = self.compute_bias(key_length, device=scores.device)
            if mask is not None:
                causal_mask = mask[:, :, :, : key_states.shape[-2]]
                position_bias = position_bias + causal_mask
        position_bias_masked = position_bias
        scores += position_bias_masked

        attn_weights = nn.functional.softmax(scores.float(), dim=-1).type_as(scores)
        attn_output = torch.matmul(attn_weights, value_states)
        attn_output = self.o(attn_output.transpose(1, 2).reshape(*input_shape, -1))
        outputs = (attn_output, position_bias)
        return outputs


class CaseLayerSelfAttention(nn.Module):
    def __init__(self, config: CaseConfig, has_relative_attention_bias: bool):
        super().__init__()
        self.SelfAttention = CaseAttention(config, has_relative_attention_bias)
        self.layer_norm = nn.RMSNorm(config.d_model)
        self.dropout = nn.Dropout(config.dropout_rate)

    def forward(self, hidden_states, attention_mask=None, position_bias=None):
        normed_hidden_states = self.layer_norm(hidden_states)
        attention_output = self.SelfAttention(normed_hidden_states, attention_mask, position_bias)
        hidden_states = hidden_states + self.dropout(attention_output[0])
        return (hidden_states,) + attention_output[1:]


class CaseLayerFF(nn.Module):
    def __init__(self, config: CaseConfig):
        super().__init__()
        self.wi = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.wo = nn.Linear(config.d_ff, config.d_model, bias=False)
        self.layer_norm = nn.RMSNorm(config.d_model)
        self.dropout = nn.Dropout(config.dropout_rate)

    def forward(self, hidden_states):
        forwarded_states = self.wo(nn.functional.relu(self.wi(self.layer_norm(hidden_states))))
        return hidden_states + self.dropout(forwarded_states)


class CaseBlock(GradientCheckpointingLayer):
    def __init__(self, config: CaseConfig, has_relative_attention_bias: bool):
        super().__init__()
        self.layer = nn.ModuleList()
        self.layer.append(CaseLayerSelfAttention(config, has_relative_attention_bias))
        self.layer.append(CaseLayerFF(config))

    def forward(self, hidden_states, attention_mask=None, position_bias=None):
        hidden_states, position_bias = self.layer[0](hidden_states, attention_mask, position_bias)
        hidden_states = self.layer[-1](hidden_states)
        return hidden_states, position_bias


class CasePreTrainedModel(PreTrainedModel):
    config: CaseConfig
    base_model_prefix = "model"
    _can_record_outputs = {"hidden_states": CaseBlock, "attentions": CaseAttention}


class CaseModel(CasePreTrainedModel):
    def __init__(self, config: CaseConfig):
        super().__init__(config)
        self.shared = nn.Embedding(config.vocab_size, config.d_model)
        self.block = nn.ModuleList([CaseBlock(config, index == 0) for index in range(config.num_layers)])
        self.final_layer_norm = nn.RMSNorm(config.d_model)
        self.dropout = nn.Dropout(config.dropout_rate)
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None):
        hidden_states = self.shared(input_ids)
        attention_mask = create_bidirectional_mask(
            config=self.config, inputs_embeds=hidden_states, attention_mask=attention_mask
        )
        position_bias = None
        hidden_states = self.dropout(hidden_states)
        for layer_module in self.block:
            hidden_states, position_bias = layer_module(hidden_states, attention_mask, position_bias)
        return BaseModelOutput(last_hidden_state=self.dropout(self.final_layer_norm(hidden_states)))
