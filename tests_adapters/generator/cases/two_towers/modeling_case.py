"""Case model: a text model and an image model of one file, each with a configuration of its own; a head on one."""

import torch
from torch import nn

from ...activations import ACT2FN
from ...generation import GenerationMixin
from ...masking_utils import create_causal_mask
from ...modeling_layers import GradientCheckpointingLayer
from ...modeling_outputs import BaseModelOutput, CausalLMOutput, ModelOutput
from ...modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel
from .configuration_case import CaseConfig, CaseImageConfig, CaseTextConfig


def eager_attention_forward(module, query, key, value, attention_mask, scaling, dropout=0.0, **kwargs):
    attn_weights = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        attn_weights = attn_weights + attention_mask
    attn_weights = nn.functional.softmax(attn_weights, dim=-1)
    attn_weights = nn.functional.dropout(attn_weights, p=dropout, training=module.training)
    attn_output = torch.matmul(attn_weights, value)
    return attn_output.transpose(1, 2).contiguous(), attn_weights


class CaseAttention(nn.Module):
    def __init__(self, config: CaseTextConfig):
        super().__init__()
        self.config = config
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.is_causal = False
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
    def __init__(self, config: CaseTextConfig):
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.activation_fn = ACT2FN[config.hidden_act]

    def forward(self, hidden_states):
        return self.fc2(self.activation_fn(self.fc1(hidden_states)))


class CaseLayer(GradientCheckpointingLayer):
    def __init__(self, config: CaseTextConfig):
        super().__init__()
        self.self_attn = CaseAttention(config)
        self.mlp = CaseMLP(config)
        self.input_layernorm = nn.LayerNorm(config.hidden_size)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden_states, attention_mask=None, **kwargs):
        residual = hidden_states
        hidden_states = self.input_layernorm(hidden_states)
        hidden_states, _ = self.self_attn(hidden_states, attention_mask, **kwargs)
        hidden_states = residual + hidden_states

        residual = hidden_states
        hidden_states = self.post_attention_layernorm(hidden_states)
        hidden_states = self.mlp(hidden_states)
        hidden_states = residual + hidden_states
        return hidden_states


class CaseKernelAttention(nn.Module):
    def __init__(self, config: CaseImageConfig):
        super().__init__()
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states, cu_seqlens):
        shape = (*hidden_states.shape[:-1], -1, self.head_dim)
        query, key, value = self.qkv(hidden_states).chunk(3, dim=-1)
        query, key, value = (states.view(shape).transpose(1, 2) for states in (query, key, value))
        attn_output = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.proj(attn_output.transpose(1, 2).reshape(hidden_states.shape))


class CaseBlock(GradientCheckpointingLayer):
    def __init__(self, config: CaseImageConfig):
        super().__init__()
        self.attn = CaseKernelAttention(config)
        self.mlp = CaseMLP(config)
        self.norm1 = nn.LayerNorm(config.hidden_size)
        self.norm2 = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden_states, cu_seqlens):
        hidden_states = hidden_states + self.attn(self.norm1(hidden_states), cu_seqlens)
        hidden_states = hidden_states + self.mlp(self.norm2(hidden_states))
        return hidden_states


class CaseOutput(ModelOutput):
    words: torch.Tensor | None = None
    patches: torch.Tensor | None = None


class CasePreTrainedModel(PreTrainedModel):
    config: CaseConfig
    base_model_prefix = "model"
    _supports_sdpa = True
    _supports_attention_backend = True


class CaseTextModel(CasePreTrainedModel):
    config: CaseTextConfig

    def __init__(self, config: CaseTextConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([CaseLayer(config) for _ in range(config.num_hidden_layers)])
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, **kwargs):
        hidden_states = self.embed_tokens(input_ids)
        causal_mask = create_causal_mask(
            config=self.config, inputs_embeds=hidden_states, attention_mask=attention_mask, past_key_values=None
        )
        for layer in self.layers:
            hidden_states = layer(hidden_states, causal_mask)
        return BaseModelOutput(last_hidden_state=hidden_states)


class CaseImageModel(CasePreTrainedModel):
    config: CaseImageConfig

    def __init__(self, config: CaseImageConfig):
        super().__init__(config)
        self.patches = nn.Conv2d(config.num_channels, config.hidden_size, config.patch_size, config.patch_size)
        self.blocks = nn.ModuleList([CaseBlock(config) for _ in range(config.num_hidden_layers)])
        self.post_init()

    def forward(self, pixel_values, cu_seqlens):
        hidden_states = self.patches(pixel_values).flatten(2).transpose(1, 2)
        for block in self.blocks:
            hidden_states = block(hidden_states, cu_seqlens)
        return BaseModelOutput(last_hidden_state=hidden_states)


class CaseForCausalLM(CasePreTrainedModel, GenerationMixin):
    config: CaseTextConfig
    base_model_prefix = "language_model"

    def __init__(self, config: CaseTextConfig):
        super().__init__(config)
        self.model = CaseTextModel._from_config(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, **kwargs):
        outputs = self.model(input_ids, attention_mask)
        return CausalLMOutput(logits=self.lm_head(outputs.last_hidden_state))


class CaseModel(CasePreTrainedModel):
    def __init__(self, config: CaseConfig):
        super().__init__(config)
        self.text_model = CaseTextModel._from_config(config.text_config)
        self.image_model = CaseImageModel._from_config(config.image_config)
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, pixel_values=None, cu_seqlens=None, **kwargs):
        words = self.text_model(input_ids, attention_mask).last_hidden_state
        patches = self.image_model(pixel_values, cu_seqlens).last_hidden_state
        return CaseOutput(words=words, patches=patches)
