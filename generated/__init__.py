"""Adapters for models of transformers.

import generated

model = generated.init(AutoModel.from_pretrained("bert-base-uncased"))
model.add_adapter("task", config="lora")
model.train_adapter("task")
"""

import importlib
from typing import Any

from generated.core.auto import AutoAdapterModel
from generated.core.composition import Average, BatchSplit, Fuse, MultiTask, Parallel, Route, Split, Stack
from generated.core.configuration import (
    AdapterConfig,
    AdapterConfigBase,
    AdapterFusionConfig,
    AdapterPlusConfig,
    BnConfig,
    CompacterConfig,
    CompacterPlusPlusConfig,
    ConfigUnion,
    DoubleSeqBnConfig,
    DoubleSeqBnInvConfig,
    DynamicAdapterFusionConfig,
    HoulsbyConfig,
    HoulsbyInvConfig,
    IA3Config,
    LoRAConfig,
    MAMConfig,
    ParallelConfig,
    ParBnConfig,
    PfeifferConfig,
    PfeifferInvConfig,
    PrefixTuningConfig,
    SeqBnConfig,
    SeqBnInvConfig,
    StaticAdapterFusionConfig,
    UniPELTConfig,
)
from generated.core.init import deinit, init
from generated.core.version import VERSION as __version__


_ADAPTER_MODELS = {
    # adaptergen: begin exports (computed from every plan.toml)
    "BartAdapterModel": "generated.models.bart",
    "BertAdapterModel": "generated.models.bert",
    "DistilBertAdapterModel": "generated.models.distilbert",
    "GPT2AdapterModel": "generated.models.gpt2",
    "GPTNeoAdapterModel": "generated.models.gpt_neo",
    "LlamaAdapterModel": "generated.models.llama",
    "RobertaAdapterModel": "generated.models.roberta",
    "T5AdapterModel": "generated.models.t5",
    "ViTAdapterModel": "generated.models.vit",
    # adaptergen: end exports
}

__all__ = [
    "AdapterConfig",
    "AdapterConfigBase",
    "AdapterFusionConfig",
    "AdapterPlusConfig",
    "AutoAdapterModel",
    "Average",
    "BatchSplit",
    "BnConfig",
    "CompacterConfig",
    "CompacterPlusPlusConfig",
    "ConfigUnion",
    "DoubleSeqBnConfig",
    "DoubleSeqBnInvConfig",
    "DynamicAdapterFusionConfig",
    "Fuse",
    "HoulsbyConfig",
    "HoulsbyInvConfig",
    "IA3Config",
    "LoRAConfig",
    "MAMConfig",
    "MultiTask",
    "ParBnConfig",
    "Parallel",
    "ParallelConfig",
    "PfeifferConfig",
    "PfeifferInvConfig",
    "PrefixTuningConfig",
    "Route",
    "SeqBnConfig",
    "SeqBnInvConfig",
    "Split",
    "Stack",
    "StaticAdapterFusionConfig",
    "UniPELTConfig",
    "__version__",
    "deinit",
    "init",
]


def __getattr__(name: str) -> Any:
    """Adapter models are imported when they are asked for: `from generated import BertAdapterModel`."""
    if name not in _ADAPTER_MODELS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_ADAPTER_MODELS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_ADAPTER_MODELS})
