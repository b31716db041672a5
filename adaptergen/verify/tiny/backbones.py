"""Which backbone stands in for one whose library may be missing?"""

from __future__ import annotations

from transformers import PreTrainedConfig, ResNetConfig
from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

from adaptergen.verify.tiny.parts import parts_of
from adaptergen.verify.tiny.sizes import IMAGE, STAGE


OF_TIMM = ("TimmBackbone", "TimmWrapperModel")
OPEN = ("timm_backbone", "timm_wrapper")  # configurations that can be of any backbone
STAGES = ["stage1", "stage2", "stage3", "stage4"]
WIDTHS = (STAGE,)  # of the stages before the last


def without_missing_library(config: PreTrainedConfig) -> PreTrainedConfig:
    """A backbone of transformers itself, with as many feature maps, instead of one of timm; anything else as it is."""
    if config.model_type not in OPEN:
        return config
    count = len(getattr(config, "out_indices", None) or STAGES[-1:])
    return ResNetConfig(out_features=STAGES[-count:])


def stood_in(config: PreTrainedConfig) -> PreTrainedConfig:
    """The same configuration; where a part of it is written for a model of timm, another stands in, as wide."""
    for name, part in parts_of(config):
        if _is_of_timm(part):
            vars(config)[name] = _as_wide(part)  # past the check that it is of the class that is written for timm
        else:
            stood_in(part)
    return config


def _as_wide(config: PreTrainedConfig) -> PreTrainedConfig:
    told = {name: value for name, value in vars(config).items() if name in type(config).__annotations__}
    widths = [*WIDTHS, config.hidden_size]
    told["image_size"] = IMAGE
    return ResNetConfig(**told, embedding_size=WIDTHS[0], hidden_sizes=widths, depths=[1] * len(widths))


def stands_in(config: PreTrainedConfig) -> bool:
    """Is there a backbone of timm in it, in whose place another one stands?"""
    return _is_of_timm(config) or any(stands_in(part) for _, part in parts_of(config))


def _is_of_timm(config: PreTrainedConfig) -> bool:
    return MODEL_MAPPING_NAMES.get(config.model_type) in OF_TIMM
