"""Adapters for models of transformers.

import generated

model = generated.init(AutoModel.from_pretrained("bert-base-uncased"))
model.add_adapter("task", config="lora")
model.train_adapter("task")
"""

import importlib
from typing import Any

from generated.core.adapter_model_mapping import ADAPTER_MODEL_MAPPING, MODEL_WITH_HEADS_MAPPING
from generated.core.adapter_setup import AdapterSetup
from generated.core.auto import AutoAdapterModel, AutoModelWithHeads, warn_of_former_name
from generated.core.composition import (
    AdapterCompositionBlock,
    Average,
    BatchSplit,
    Fuse,
    MultiTask,
    Parallel,
    Route,
    Split,
    Stack,
    parse_composition,
    validate_composition,
)
from generated.core.configuration import (
    ADAPTER_CONFIG_MAP,
    ADAPTERFUSION_CONFIG_MAP,
    DEFAULT_ADAPTER_CONFIG,
    DEFAULT_ADAPTERFUSION_CONFIG,
    AdapterConfig,
    AdapterConfigBase,
    AdapterFusionConfig,
    AdapterPlusConfig,
    AdapterType,
    BnConfig,
    CompacterConfig,
    CompacterPlusPlusConfig,
    ConfigUnion,
    DiReftConfig,
    DoRAConfig,
    DoubleSeqBnConfig,
    DoubleSeqBnInvConfig,
    DvoRAConfig,
    DynamicAdapterFusionConfig,
    HoulsbyConfig,
    HoulsbyInvConfig,
    IA3Config,
    LoRAConfig,
    LoReftConfig,
    MAMConfig,
    ModelAdaptersConfig,
    MTLLoRAConfig,
    MultiTaskConfig,
    NoReftConfig,
    ParallelConfig,
    ParBnConfig,
    PfeifferConfig,
    PfeifferInvConfig,
    PrefixTuningConfig,
    PromptTuningConfig,
    ReftConfig,
    SeqBnConfig,
    SeqBnInvConfig,
    StaticAdapterFusionConfig,
    UniPELTConfig,
    VeraConfig,
    get_adapter_config_hash,
)
from generated.core.heads import (
    BertStyleMaskedLMHead,
    BiaffineParsingHead,
    CausalLMHead,
    ClassificationHead,
    DependencyParsingOutput,
    ImageClassificationHead,
    MultiHeadOutput,
    MultiLabelClassificationHead,
    MultipleChoiceHead,
    PredictionHead,
    QuestionAnsweringHead,
    Seq2SeqLMHead,
    TaggingHead,
)
from generated.core.hub import AdapterInfo, get_adapter_info, list_adapters
from generated.core.init import deinit, init, load_model
from generated.core.layers import AdapterLayer
from generated.core.mixins import (
    EmbeddingAdaptersMixin,
    EmbeddingAdaptersWrapperMixin,
    InvertibleAdaptersMixin,
    InvertibleAdaptersWrapperMixin,
    ModelAdaptersMixin,
    ModelWithHeadsAdaptersMixin,
)
from generated.core.training.arguments import AdapterArguments, setup_adapter_training
from generated.core.version import VERSION as __version__
from generated.layer import AdapterLayerBase, ComposableAdapterLayerBase


_ADAPTER_MODELS = {
    # adaptergen: begin exports (computed from every plan.toml)
    "AlbertAdapterModel": "generated.models.albert",
    "BartAdapterModel": "generated.models.bart",
    "BeitAdapterModel": "generated.models.beit",
    "BertAdapterModel": "generated.models.bert",
    "BertGenerationEncoderAdapterModel": "generated.models.bert_generation",
    "BigBirdAdapterModel": "generated.models.big_bird",
    "BloomAdapterModel": "generated.models.bloom",
    "CLIPAdapterModel": "generated.models.clip",
    "CohereAdapterModel": "generated.models.cohere",
    "DebertaAdapterModel": "generated.models.deberta",
    "DebertaV2AdapterModel": "generated.models.deberta_v2",
    "DeepseekV3AdapterModel": "generated.models.deepseek_v3",
    "Dinov2AdapterModel": "generated.models.dinov2",
    "DINOv3ViTAdapterModel": "generated.models.dinov3_vit",
    "DistilBertAdapterModel": "generated.models.distilbert",
    "ElectraAdapterModel": "generated.models.electra",
    "EncoderDecoderAdapterModel": "generated.models.encoder_decoder",
    "EsmAdapterModel": "generated.models.esm",
    "FalconAdapterModel": "generated.models.falcon",
    "Gemma2AdapterModel": "generated.models.gemma2",
    "Gemma3AdapterModel": "generated.models.gemma3",
    "GPT2AdapterModel": "generated.models.gpt2",
    "GPTNeoAdapterModel": "generated.models.gpt_neo",
    "GPTNeoXAdapterModel": "generated.models.gpt_neox",
    "GptOssAdapterModel": "generated.models.gpt_oss",
    "GPTJAdapterModel": "generated.models.gptj",
    "GraniteAdapterModel": "generated.models.granite",
    "HubertAdapterModel": "generated.models.hubert",
    "LlamaAdapterModel": "generated.models.llama",
    "LongformerAdapterModel": "generated.models.longformer",
    "M2M100AdapterModel": "generated.models.m2m_100",
    "MarianAdapterModel": "generated.models.marian",
    "MBartAdapterModel": "generated.models.mbart",
    "MistralAdapterModel": "generated.models.mistral",
    "MixtralAdapterModel": "generated.models.mixtral",
    "MllamaAdapterModel": "generated.models.mllama",
    "ModernBertAdapterModel": "generated.models.modernbert",
    "MoonshineAdapterModel": "generated.models.moonshine",
    "MT5AdapterModel": "generated.models.mt5",
    "NomicBertAdapterModel": "generated.models.nomic_bert",
    "Olmo2AdapterModel": "generated.models.olmo2",
    "OPTAdapterModel": "generated.models.opt",
    "PhiAdapterModel": "generated.models.phi",
    "Phi3AdapterModel": "generated.models.phi3",
    "PLBartAdapterModel": "generated.models.plbart",
    "Qwen2AdapterModel": "generated.models.qwen2",
    "Qwen2MoeAdapterModel": "generated.models.qwen2_moe",
    "Qwen3AdapterModel": "generated.models.qwen3",
    "Qwen3MoeAdapterModel": "generated.models.qwen3_moe",
    "RobertaAdapterModel": "generated.models.roberta",
    "SiglipAdapterModel": "generated.models.siglip",
    "SmolLM3AdapterModel": "generated.models.smollm3",
    "T5AdapterModel": "generated.models.t5",
    "ViTAdapterModel": "generated.models.vit",
    "Wav2Vec2AdapterModel": "generated.models.wav2vec2",
    "WavLMAdapterModel": "generated.models.wavlm",
    "WhisperAdapterModel": "generated.models.whisper",
    "XLMRobertaAdapterModel": "generated.models.xlm_roberta",
    "XmodAdapterModel": "generated.models.xmod",
    # adaptergen: end exports
}

__all__ = [
    "ADAPTERFUSION_CONFIG_MAP",
    "ADAPTER_CONFIG_MAP",
    "ADAPTER_MODEL_MAPPING",
    "DEFAULT_ADAPTERFUSION_CONFIG",
    "DEFAULT_ADAPTER_CONFIG",
    "MODEL_WITH_HEADS_MAPPING",
    "AdapterArguments",
    "AdapterCompositionBlock",
    "AdapterConfig",
    "AdapterConfigBase",
    "AdapterFusionConfig",
    "AdapterInfo",
    "AdapterLayer",
    "AdapterLayerBase",
    "AdapterPlusConfig",
    "AdapterSetup",
    "AdapterTrainer",
    "AdapterTrainerCallback",
    "AdapterType",
    "AutoAdapterModel",
    "AutoModelWithHeads",
    "Average",
    "BatchSplit",
    "BertStyleMaskedLMHead",
    "BiaffineParsingHead",
    "BnConfig",
    "CausalLMHead",
    "ClassificationHead",
    "CompacterConfig",
    "CompacterPlusPlusConfig",
    "ComposableAdapterLayerBase",
    "ConfigUnion",
    "DependencyParsingOutput",
    "DiReftConfig",
    "DoRAConfig",
    "DoubleSeqBnConfig",
    "DoubleSeqBnInvConfig",
    "DvoRAConfig",
    "DynamicAdapterFusionConfig",
    "EmbeddingAdaptersMixin",
    "EmbeddingAdaptersWrapperMixin",
    "Fuse",
    "HoulsbyConfig",
    "HoulsbyInvConfig",
    "IA3Config",
    "ImageClassificationHead",
    "InvertibleAdaptersMixin",
    "InvertibleAdaptersWrapperMixin",
    "LoRAConfig",
    "LoReftConfig",
    "MAMConfig",
    "MTLLoRAConfig",
    "ModelAdaptersConfig",
    "ModelAdaptersMixin",
    "ModelWithFlexibleHeadsAdaptersMixin",
    "ModelWithHeadsAdaptersMixin",
    "MultiHeadOutput",
    "MultiLabelClassificationHead",
    "MultiTask",
    "MultiTaskConfig",
    "MultipleChoiceHead",
    "NoReftConfig",
    "ParBnConfig",
    "Parallel",
    "ParallelConfig",
    "PfeifferConfig",
    "PfeifferInvConfig",
    "PredictionHead",
    "PrefixTuningConfig",
    "PromptTuningConfig",
    "QuestionAnsweringHead",
    "ReftConfig",
    "Route",
    "Seq2SeqAdapterTrainer",
    "Seq2SeqLMHead",
    "SeqBnConfig",
    "SeqBnInvConfig",
    "Split",
    "Stack",
    "StaticAdapterFusionConfig",
    "TaggingHead",
    "UniPELTConfig",
    "VeraConfig",
    "__version__",
    "deinit",
    "get_adapter_config_hash",
    "get_adapter_info",
    "init",
    "list_adapters",
    "load_model",
    "parse_composition",
    "setup_adapter_training",
    "validate_composition",
]


# What needs more than adapters do is imported when it is asked for: `from generated import BertAdapterModel`.
_ON_DEMAND = _ADAPTER_MODELS | {
    "AdapterTrainer": "generated.core.training.trainer",
    "AdapterTrainerCallback": "generated.core.training.trainer",
    "ModelWithFlexibleHeadsAdaptersMixin": "generated.core.flexible_heads",
    "Seq2SeqAdapterTrainer": "generated.core.training.trainer",
}


def __getattr__(name: str) -> Any:
    found = name.replace("ModelWithHeads", "AdapterModel")
    if found not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if found != name:
        warn_of_former_name(name, found)
    return getattr(importlib.import_module(_ON_DEMAND[found]), found)


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_DEMAND})
