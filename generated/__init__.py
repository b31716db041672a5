"""Adapters for models of transformers.

import generated

model = generated.init(AutoModel.from_pretrained("bert-base-uncased"))
model.add_adapter("task", config="lora")
model.train_adapter("task")
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

from generated.core import providers as _providers  # noqa: F401 (pickled models name packages that it finds)
from generated.core.version import VERSION as __version__  # noqa: F401 (offered)


if TYPE_CHECKING:
    from generated.core.interface import *

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
    "Gemma3nAdapterModel": "generated.models.gemma3n",
    "Gemma4AdapterModel": "generated.models.gemma4",
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


# What needs more than adapters do.
_EXTRAS = {
    "AdapterTrainer": "generated.core.training.trainer",
    "AdapterTrainerCallback": "generated.core.training.trainer",
    "ModelWithFlexibleHeadsAdaptersMixin": "generated.core.flexible_heads",
    "Seq2SeqAdapterTrainer": "generated.core.training.trainer",
}
_ON_DEMAND = _ADAPTER_MODELS | _EXTRAS


def __getattr__(name: str) -> Any:
    """What is asked for is imported then: `import generated` takes no time that a program may not need."""
    if name.startswith("__") and name != "__all__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = name.replace("ModelWithHeads", "AdapterModel")
    if found not in _ON_DEMAND:
        return _offered(name)
    if found != name:
        _interface().warn_of_former_name(name, found)
    return getattr(importlib.import_module(_ON_DEMAND[found]), found)


def _offered(name: str) -> Any:
    offered = _interface()
    if name == "__all__":
        return sorted([*offered.__all__, *_EXTRAS, "__version__"])
    if name in globals():  # a module of this package, which is imported now
        return globals()[name]
    if name not in offered.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, getattr(offered, name))


def _interface() -> ModuleType:
    return importlib.import_module("generated.core.interface")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_DEMAND, *_interface().__all__})
