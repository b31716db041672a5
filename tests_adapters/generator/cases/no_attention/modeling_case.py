"""Case model: layers that mix tokens by one linear map."""

from torch import nn

from ...modeling_outputs import BaseModelOutput
from ...modeling_utils import PreTrainedModel
from .configuration_case import CaseConfig


class CaseLayer(nn.Module):
    def __init__(self, config: CaseConfig):
        super().__init__()
        self.mix = nn.Linear(config.max_length, config.max_length)
        self.mlp = nn.Linear(config.hidden_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden_states):
        mixed = self.mix(self.norm(hidden_states).transpose(1, 2)).transpose(1, 2)
        hidden_states = hidden_states + mixed
        return hidden_states + self.mlp(self.norm(hidden_states))


class CasePreTrainedModel(PreTrainedModel):
    config: CaseConfig
    base_model_prefix = "model"


class CaseModel(CasePreTrainedModel):
    def __init__(self, config: CaseConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([CaseLayer(config) for _ in range(config.num_hidden_layers)])
        self.post_init()

    def forward(self, input_ids=None):
        hidden_states = self.embed_tokens(input_ids)
        for layer in self.layers:
            hidden_states = layer(hidden_states)
        return BaseModelOutput(last_hidden_state=hidden_states)
