"""Configurations of all adaptation methods, under their names in AdapterHub 1.x and 3.x."""

from generated.core.configuration.adapters_config import ModelAdaptersConfig
from generated.core.configuration.base import AdapterConfig, config_from_dict
from generated.core.configuration.bottleneck import (
    AdapterPlusConfig,
    BnConfig,
    CompacterConfig,
    CompacterPlusPlusConfig,
    DoubleSeqBnConfig,
    DoubleSeqBnInvConfig,
    HoulsbyConfig,
    HoulsbyInvConfig,
    ParallelConfig,
    ParBnConfig,
    PfeifferConfig,
    PfeifferInvConfig,
    SeqBnConfig,
    SeqBnInvConfig,
)
from generated.core.configuration.lora import IA3Config, LoRAConfig
from generated.core.configuration.prefix_tuning import PrefixTuningConfig
from generated.core.configuration.union import ConfigUnion, MAMConfig, UniPELTConfig


AdapterConfigBase = AdapterConfig
DEFAULT_ADAPTER_CONFIG = "seq_bn"

__all__ = [
    "DEFAULT_ADAPTER_CONFIG",
    "AdapterConfig",
    "AdapterConfigBase",
    "AdapterPlusConfig",
    "BnConfig",
    "CompacterConfig",
    "CompacterPlusPlusConfig",
    "ConfigUnion",
    "DoubleSeqBnConfig",
    "DoubleSeqBnInvConfig",
    "HoulsbyConfig",
    "HoulsbyInvConfig",
    "IA3Config",
    "LoRAConfig",
    "MAMConfig",
    "ModelAdaptersConfig",
    "ParBnConfig",
    "ParallelConfig",
    "PfeifferConfig",
    "PfeifferInvConfig",
    "PrefixTuningConfig",
    "SeqBnConfig",
    "SeqBnInvConfig",
    "UniPELTConfig",
    "config_from_dict",
]
