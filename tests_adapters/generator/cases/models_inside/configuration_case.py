"""Configuration of the case model."""

from ...configuration_utils import PreTrainedConfig
from ..auto import AutoConfig


class CaseConfig(PreTrainedConfig):
    model_type = "case"
    sub_configs = {"text_config": AutoConfig, "vision_config": AutoConfig}

    image_token_id: int = 9
