"""Case model: two models of any other architecture, and a map between them."""

import torch
from torch import nn

from ...modeling_utils import PreTrainedModel
from ..auto import AutoModel
from .configuration_case import CaseConfig


class CasePreTrainedModel(PreTrainedModel):
    config: CaseConfig
    base_model_prefix = "model"


class CaseModel(CasePreTrainedModel):
    def __init__(self, config: CaseConfig):
        super().__init__(config)
        self.vision_tower = AutoModel.from_config(config.vision_config)
        self.projector = nn.Linear(config.vision_config.hidden_size, config.text_config.hidden_size)
        self.language_model = AutoModel.from_config(config.text_config)
        self.post_init()

    def forward(self, input_ids=None, pixel_values=None, attention_mask=None, **kwargs):
        inputs_embeds = self.get_input_embeddings()(input_ids)
        images = self.projector(self.vision_tower(pixel_values).last_hidden_state)
        inputs_embeds = torch.cat([images, inputs_embeds], dim=1)
        return self.language_model(inputs_embeds=inputs_embeds, attention_mask=attention_mask, **kwargs)


class CaseForConditionalGeneration(CasePreTrainedModel):
    def __init__(self, config: CaseConfig):
        super().__init__(config)
        self.model = CaseModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()

    def forward(self, input_ids=None, pixel_values=None, attention_mask=None, **kwargs):
        return self.lm_head(self.model(input_ids, pixel_values, attention_mask, **kwargs).last_hidden_state)
