"""Configuration of the case model."""

from ...configuration_utils import PreTrainedConfig


class CaseTextConfig(PreTrainedConfig):
    model_type = "case_text"

    hidden_size: int = 64
    intermediate_size: int = 256
    num_attention_heads: int = 4
    num_hidden_layers: int = 2
    hidden_act: str = "gelu"
    vocab_size: int = 1000


class CaseImageConfig(PreTrainedConfig):
    model_type = "case_image"

    hidden_size: int = 32
    intermediate_size: int = 128
    num_attention_heads: int = 4
    num_hidden_layers: int = 2
    hidden_act: str = "gelu"
    num_channels: int = 3
    patch_size: int = 4


class CaseConfig(PreTrainedConfig):
    model_type = "case"
    sub_configs = {"text_config": CaseTextConfig, "image_config": CaseImageConfig}
