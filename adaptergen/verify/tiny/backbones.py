"""Which backbone stands in for one whose library may be missing?"""

from __future__ import annotations

from transformers import PreTrainedConfig, ResNetConfig


STAGES = ["stage1", "stage2", "stage3", "stage4"]


def without_missing_library(config: PreTrainedConfig) -> PreTrainedConfig:
    """A backbone of transformers itself, with as many feature maps, instead of one of timm; anything else as it is."""
    if config.model_type != "timm_backbone":
        return config
    count = len(getattr(config, "out_indices", None) or STAGES[-1:])
    return ResNetConfig(out_features=STAGES[-count:])
