"""One package per architecture, and the tables that are computed from all of them. Importing this imports none."""

ADAPTER_MODEL_MAPPING_NAMES: dict[str, str] = {
    # adaptergen: begin adapter-models (computed from every plan.toml)
    "albert": "AlbertAdapterModel",
    "bart": "BartAdapterModel",
    "beit": "BeitAdapterModel",
    "bert": "BertAdapterModel",
    "bert-generation": "BertGenerationEncoderAdapterModel",
    "big_bird": "BigBirdAdapterModel",
    "bloom": "BloomAdapterModel",
    "clip": "CLIPAdapterModel",
    "cohere": "CohereAdapterModel",
    "deberta": "DebertaAdapterModel",
    "deberta-v2": "DebertaV2AdapterModel",
    "deepseek_v3": "DeepseekV3AdapterModel",
    "dinov2": "Dinov2AdapterModel",
    "dinov3_vit": "DINOv3ViTAdapterModel",
    "distilbert": "DistilBertAdapterModel",
    "electra": "ElectraAdapterModel",
    "encoder-decoder": "EncoderDecoderAdapterModel",
    "esm": "EsmAdapterModel",
    "falcon": "FalconAdapterModel",
    "gemma2": "Gemma2AdapterModel",
    "gemma3": "Gemma3AdapterModel",
    "gemma3n": "Gemma3nAdapterModel",
    "gemma4": "Gemma4AdapterModel",
    "gpt2": "GPT2AdapterModel",
    "gpt_neo": "GPTNeoAdapterModel",
    "gpt_neox": "GPTNeoXAdapterModel",
    "gpt_oss": "GptOssAdapterModel",
    "gptj": "GPTJAdapterModel",
    "granite": "GraniteAdapterModel",
    "hubert": "HubertAdapterModel",
    "llama": "LlamaAdapterModel",
    "longformer": "LongformerAdapterModel",
    "m2m_100": "M2M100AdapterModel",
    "marian": "MarianAdapterModel",
    "mbart": "MBartAdapterModel",
    "mistral": "MistralAdapterModel",
    "mixtral": "MixtralAdapterModel",
    "mllama": "MllamaAdapterModel",
    "modernbert": "ModernBertAdapterModel",
    "moonshine": "MoonshineAdapterModel",
    "mt5": "MT5AdapterModel",
    "nomic_bert": "NomicBertAdapterModel",
    "olmo2": "Olmo2AdapterModel",
    "opt": "OPTAdapterModel",
    "phi": "PhiAdapterModel",
    "phi3": "Phi3AdapterModel",
    "plbart": "PLBartAdapterModel",
    "qwen2": "Qwen2AdapterModel",
    "qwen2_moe": "Qwen2MoeAdapterModel",
    "qwen3": "Qwen3AdapterModel",
    "qwen3_moe": "Qwen3MoeAdapterModel",
    "roberta": "RobertaAdapterModel",
    "siglip": "SiglipAdapterModel",
    "smollm3": "SmolLM3AdapterModel",
    "t5": "T5AdapterModel",
    "vit": "ViTAdapterModel",
    "wav2vec2": "Wav2Vec2AdapterModel",
    "wavlm": "WavLMAdapterModel",
    "whisper": "WhisperAdapterModel",
    "xlm-roberta": "XLMRobertaAdapterModel",
    "xmod": "XmodAdapterModel",
    # adaptergen: end adapter-models
}

MODEL_PACKAGES: dict[str, str] = {
    # adaptergen: begin model-packages (computed from every plan.toml)
    "transformers.models.albert.modeling_albert": "albert",
    "transformers.models.bart.modeling_bart": "bart",
    "transformers.models.beit.modeling_beit": "beit",
    "transformers.models.bert.modeling_bert": "bert",
    "transformers.models.bert_generation.modeling_bert_generation": "bert_generation",
    "transformers.models.big_bird.modeling_big_bird": "big_bird",
    "transformers.models.bloom.modeling_bloom": "bloom",
    "transformers.models.clip.modeling_clip": "clip",
    "transformers.models.cohere.modeling_cohere": "cohere",
    "transformers.models.deberta.modeling_deberta": "deberta",
    "transformers.models.deberta_v2.modeling_deberta_v2": "deberta_v2",
    "transformers.models.deepseek_v3.modeling_deepseek_v3": "deepseek_v3",
    "transformers.models.dinov2.modeling_dinov2": "dinov2",
    "transformers.models.dinov3_vit.modeling_dinov3_vit": "dinov3_vit",
    "transformers.models.distilbert.modeling_distilbert": "distilbert",
    "transformers.models.electra.modeling_electra": "electra",
    "transformers.models.encoder_decoder.modeling_encoder_decoder": "encoder_decoder",
    "transformers.models.esm.modeling_esm": "esm",
    "transformers.models.falcon.modeling_falcon": "falcon",
    "transformers.models.gemma2.modeling_gemma2": "gemma2",
    "transformers.models.gemma3.modeling_gemma3": "gemma3",
    "transformers.models.gemma3n.modeling_gemma3n": "gemma3n",
    "transformers.models.gemma4.modeling_gemma4": "gemma4",
    "transformers.models.gpt2.modeling_gpt2": "gpt2",
    "transformers.models.gpt_neo.modeling_gpt_neo": "gpt_neo",
    "transformers.models.gpt_neox.modeling_gpt_neox": "gpt_neox",
    "transformers.models.gpt_oss.modeling_gpt_oss": "gpt_oss",
    "transformers.models.gptj.modeling_gptj": "gptj",
    "transformers.models.granite.modeling_granite": "granite",
    "transformers.models.hubert.modeling_hubert": "hubert",
    "transformers.models.llama.modeling_llama": "llama",
    "transformers.models.longformer.modeling_longformer": "longformer",
    "transformers.models.m2m_100.modeling_m2m_100": "m2m_100",
    "transformers.models.marian.modeling_marian": "marian",
    "transformers.models.mbart.modeling_mbart": "mbart",
    "transformers.models.mistral.modeling_mistral": "mistral",
    "transformers.models.mixtral.modeling_mixtral": "mixtral",
    "transformers.models.mllama.modeling_mllama": "mllama",
    "transformers.models.modernbert.modeling_modernbert": "modernbert",
    "transformers.models.moonshine.modeling_moonshine": "moonshine",
    "transformers.models.mt5.modeling_mt5": "mt5",
    "transformers.models.nomic_bert.modeling_nomic_bert": "nomic_bert",
    "transformers.models.olmo2.modeling_olmo2": "olmo2",
    "transformers.models.opt.modeling_opt": "opt",
    "transformers.models.phi.modeling_phi": "phi",
    "transformers.models.phi3.modeling_phi3": "phi3",
    "transformers.models.plbart.modeling_plbart": "plbart",
    "transformers.models.qwen2.modeling_qwen2": "qwen2",
    "transformers.models.qwen2_moe.modeling_qwen2_moe": "qwen2_moe",
    "transformers.models.qwen3.modeling_qwen3": "qwen3",
    "transformers.models.qwen3_moe.modeling_qwen3_moe": "qwen3_moe",
    "transformers.models.roberta.modeling_roberta": "roberta",
    "transformers.models.siglip.modeling_siglip": "siglip",
    "transformers.models.smollm3.modeling_smollm3": "smollm3",
    "transformers.models.t5.modeling_t5": "t5",
    "transformers.models.vit.modeling_vit": "vit",
    "transformers.models.wav2vec2.modeling_wav2vec2": "wav2vec2",
    "transformers.models.wavlm.modeling_wavlm": "wavlm",
    "transformers.models.whisper.modeling_whisper": "whisper",
    "transformers.models.xlm_roberta.modeling_xlm_roberta": "xlm_roberta",
    "transformers.models.xmod.modeling_xmod": "xmod",
    # adaptergen: end model-packages
}

CONFIG_CLASS_KEYS_MAPPING: dict[str, dict[str, str]] = {
    # adaptergen: begin config-names (computed from every plan.toml)
    "bart": {
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "bloom": {
        "hidden_dropout_prob": "hidden_dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "cohere": {
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "deepseek_v3": {
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "dinov3_vit": {
        "hidden_dropout_prob": "drop_path_rate",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "distilbert": {
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "falcon": {
        "hidden_dropout_prob": "attention_dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "gemma2": {
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "gemma3": {
        "hidden_size": "hidden_size",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "gemma3n": {
        "hidden_size": "hidden_size",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "gemma4": {
        "num_attention_heads": "num_attention_heads",
        "hidden_size": "hidden_size",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "gpt2": {
        "hidden_dropout_prob": "resid_pdrop",
        "attention_probs_dropout_prob": "attn_pdrop",
    },
    "gpt_neo": {
        "hidden_dropout_prob": "resid_dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "gpt_neox": {
        "hidden_dropout_prob": "hidden_dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "gpt_oss": {
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "gptj": {
        "hidden_dropout_prob": "resid_pdrop",
        "attention_probs_dropout_prob": "attn_pdrop",
    },
    "granite": {
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "hubert": {
        "hidden_dropout_prob": "hidden_dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "llama": {
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "m2m_100": {
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "marian": {
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "mbart": {
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "mistral": {
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "mixtral": {
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "modernbert": {
        "hidden_dropout_prob": "attention_dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "moonshine": {
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "mt5": {
        "hidden_dropout_prob": "dropout_rate",
        "attention_probs_dropout_prob": "dropout_rate",
    },
    "olmo2": {
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "opt": {
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "phi": {
        "hidden_dropout_prob": "resid_pdrop",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "phi3": {
        "hidden_dropout_prob": "resid_pdrop",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "plbart": {
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "qwen2": {
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "qwen2_moe": {
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "qwen3": {
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "qwen3_moe": {
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "smollm3": {
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "t5": {
        "hidden_dropout_prob": "dropout_rate",
        "attention_probs_dropout_prob": "dropout_rate",
    },
    "wav2vec2": {
        "hidden_dropout_prob": "hidden_dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "wavlm": {
        "hidden_dropout_prob": "hidden_dropout",
    },
    "whisper": {
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    # adaptergen: end config-names
}
