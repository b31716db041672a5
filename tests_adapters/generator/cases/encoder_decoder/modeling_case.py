"""Case model: one stack reads, the other writes with cross-attention."""

import torch
from torch import nn

from ...masking_utils import create_bidirectional_mask, create_causal_mask
from ...modeling_layers import GradientCheckpointingLayer
from ...modeling_outputs import BaseModelOutput, Seq2SeqLMOutput, Seq2SeqModelOutput
from ...modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel
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
    def __init__(self, config: CaseConfig, is_causal=False):
        super().__init__()
        self.config = config
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.is_causal = is_causal
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states, attention_mask=None, encoder_hidden_states=None, **kwargs):
        input_shape = hidden_states.shape[:-1]
        current_states = encoder_hidden_states if encoder_hidden_states is not None else hidden_states
        source_shape = (*current_states.shape[:-1], -1, self.head_dim)
        query_states = self.q_proj(hidden_states).view(*input_shape, -1, self.head_dim).transpose(1, 2)
        key_states = self.k_proj(current_states).view(source_shape).transpose(1, 2)
        value_states = self.v_proj(current_states).view(source_shape).transpose(1, 2)

        attention_interface = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        attn_output, _ = attention_interface(
            self, query_states, key_states, value_states, attention_mask, scaling=self.head_dim**-0.5, **kwargs
        )
        return self.out_proj(attn_output.reshape(*input_shape, -1))


class CaseEncoderLayer(GradientCheckpointingLayer):
    def __init__(self, config: CaseConfig):
        super().__init__()
        self.self_attn = CaseAttention(config)
        self.self_attn_layer_norm = nn.LayerNorm(config.hidden_size)
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden_states, attention_mask):
        hidden_states = hidden_states + self.self_attn(hidden_states, attention_mask)
        hidden_states = self.self_attn_layer_norm(hidden_states)
        hidden_states = hidden_states + self.fc2(nn.functional.gelu(self.fc1(hidden_states)))
        hidden_states = self.final_layer_norm(hidden_states)
        return hidden_states


class CaseDecoderLayer(CaseEncoderLayer):
    def __init__(self, config: CaseConfig):
        super().__init__(config)
        self.self_attn = CaseAttention(config, is_causal=True)
        self.encoder_attn = CaseAttention(config)
        self.encoder_attn_layer_norm = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden_states, attention_mask, encoder_hidden_states=None):
        hidden_states = hidden_states + self.self_attn(hidden_states, attention_mask)
        hidden_states = self.self_attn_layer_norm(hidden_states)
        if encoder_hidden_states is not None:
            cross_output = self.encoder_attn(hidden_states, encoder_hidden_states=encoder_hidden_states)
            hidden_states = hidden_states + cross_output
            hidden_states = self.encoder_attn_layer_norm(hidden_states)
        hidden_states = hidden_states + self.fc2(nn.functional.gelu(self.fc1(hidden_states)))
        hidden_states = self.final_layer_norm(hidden_states)
        return hidden_states


class CasePreTrainedModel(PreTrainedModel):
    config: CaseConfig
    base_model_prefix = "model"
    _supports_sdpa = True
    _supports_attention_backend = True
    _can_record_outputs = {"hidden_states": CaseEncoderLayer, "attentions": CaseAttention}


class CaseEncoder(CasePreTrainedModel):
    def __init__(self, config: CaseConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layernorm_embedding = nn.LayerNorm(config.hidden_size)
        self.layers = nn.ModuleList([CaseEncoderLayer(config) for _ in range(config.num_hidden_layers)])
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None):
        hidden_states = self.layernorm_embedding(self.embed_tokens(input_ids))
        attention_mask = create_bidirectional_mask(
            config=self.config, inputs_embeds=hidden_states, attention_mask=attention_mask
        )
        for encoder_layer in self.layers:
            hidden_states = encoder_layer(hidden_states, attention_mask)
        return BaseModelOutput(last_hidden_state=hidden_states)


class CaseDecoder(CasePreTrainedModel):
    def __init__(self, config: CaseConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layernorm_embedding = nn.LayerNorm(config.hidden_size)
        self.layers = nn.ModuleList([CaseDecoderLayer(config) for _ in range(config.num_hidden_layers)])
        self.post_init()

    def forward(self, input_ids=None, encoder_hidden_states=None):
        hidden_states = self.layernorm_embedding(self.embed_tokens(input_ids))
        attention_mask = create_causal_mask(
            config=self.config, inputs_embeds=hidden_states, attention_mask=None, past_key_values=None
        )
        for decoder_layer in self.layers:
            hidden_states = decoder_layer(hidden_states, attention_mask, encoder_hidden_states)
        return BaseModelOutput(last_hidden_state=hidden_states)


class CaseModel(CasePreTrainedModel):
    def __init__(self, config: CaseConfig):
        super().__init__(config)
        self.encoder = CaseEncoder(config)
        self.decoder = CaseDecoder(config)
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, decoder_input_ids=None):
        encoded = self.encoder(input_ids, attention_mask).last_hidden_state
        decoded = self.decoder(decoder_input_ids, encoder_hidden_states=encoded).last_hidden_state
        return Seq2SeqModelOutput(last_hidden_state=decoded, encoder_last_hidden_state=encoded)


class CaseForConditionalGeneration(CasePreTrainedModel):
    def __init__(self, config: CaseConfig):
        super().__init__(config)
        self.model = CaseModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, decoder_input_ids=None):
        outputs = self.model(input_ids, attention_mask, decoder_input_ids)
        return Seq2SeqLMOutput(logits=self.lm_head(outputs.last_hidden_state))
