"""Configurations of all adaptation methods, under their names in AdapterHub 1.x and 3.x."""

from generated.core.configuration.adapters_config import Fusion, ModelAdaptersConfig
from generated.core.configuration.base import ADAPTER_CONFIG_MAP, AdapterConfig, config_from_dict
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
from generated.core.configuration.fusion import (
    ADAPTERFUSION_CONFIG_MAP,
    DEFAULT_ADAPTERFUSION_CONFIG,
    AdapterFusionConfig,
    DynamicAdapterFusionConfig,
    StaticAdapterFusionConfig,
)
from generated.core.configuration.hub_identity import AdapterType, get_adapter_config_hash
from generated.core.configuration.lora import (
    DoRAConfig,
    DvoRAConfig,
    IA3Config,
    LoRAConfig,
    MTLLoRAConfig,
    VeraConfig,
)
from generated.core.configuration.prefix_tuning import PrefixTuningConfig
from generated.core.configuration.prompt_tuning import PromptTuningConfig
from generated.core.configuration.reft import DiReftConfig, LoReftConfig, NoReftConfig, ReftConfig
from generated.core.configuration.union import ConfigUnion, MAMConfig, UniPELTConfig


AdapterConfigBase = AdapterConfig
DEFAULT_ADAPTER_CONFIG = "seq_bn"
MultiTaskConfig = MTLLoRAConfig  # the one kind there is

__all__ = [
    "ADAPTERFUSION_CONFIG_MAP",
    "ADAPTER_CONFIG_MAP",
    "DEFAULT_ADAPTERFUSION_CONFIG",
    "DEFAULT_ADAPTER_CONFIG",
    "AdapterConfig",
    "AdapterConfigBase",
    "AdapterFusionConfig",
    "AdapterPlusConfig",
    "AdapterType",
    "BnConfig",
    "CompacterConfig",
    "CompacterPlusPlusConfig",
    "ConfigUnion",
    "DiReftConfig",
    "DoRAConfig",
    "DoubleSeqBnConfig",
    "DoubleSeqBnInvConfig",
    "DvoRAConfig",
    "DynamicAdapterFusionConfig",
    "Fusion",
    "HoulsbyConfig",
    "HoulsbyInvConfig",
    "IA3Config",
    "LoRAConfig",
    "LoReftConfig",
    "MAMConfig",
    "MTLLoRAConfig",
    "ModelAdaptersConfig",
    "MultiTaskConfig",
    "NoReftConfig",
    "ParBnConfig",
    "ParallelConfig",
    "PfeifferConfig",
    "PfeifferInvConfig",
    "PrefixTuningConfig",
    "PromptTuningConfig",
    "ReftConfig",
    "SeqBnConfig",
    "SeqBnInvConfig",
    "StaticAdapterFusionConfig",
    "UniPELTConfig",
    "VeraConfig",
    "config_from_dict",
    "get_adapter_config_hash",
]
