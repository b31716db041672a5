"""Which backbone stands in for one whose library may be missing?"""

from __future__ import annotations

from transformers import PreTrainedConfig, ResNetConfig


OF_TIMM = ("timm_backbone", "timm_wrapper")
STAGES = ["stage1", "stage2", "stage3", "stage4"]


def without_missing_library(config: PreTrainedConfig) -> PreTrainedConfig:
    """A backbone of transformers itself, with as many feature maps, instead of one of timm; anything else as it is."""
    if not _is_of_timm(config):
        return config
    count = len(getattr(config, "out_indices", None) or STAGES[-1:])
    return ResNetConfig(out_features=STAGES[-count:])


def stands_in(config: PreTrainedConfig) -> bool:
    """Is there a backbone of timm in it, in whose place another one stands?"""
    inside = (value for value in vars(config).values() if isinstance(value, PreTrainedConfig))
    return _is_of_timm(config) or any(stands_in(each) for each in inside)


def _is_of_timm(config: PreTrainedConfig) -> bool:
    return config.model_type in OF_TIMM
