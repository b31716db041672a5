"""One package per architecture, and the tables that are computed from all of them. Importing this imports none."""

ADAPTER_MODEL_MAPPING_NAMES: dict[str, str] = {
    # adaptergen: begin adapter-models (computed from every plan.toml)
    "bart": "BartAdapterModel",
    "bert": "BertAdapterModel",
    "deberta-v2": "DebertaV2AdapterModel",
    "distilbert": "DistilBertAdapterModel",
    "gemma2": "Gemma2AdapterModel",
    "gpt2": "GPT2AdapterModel",
    "gpt_neo": "GPTNeoAdapterModel",
    "llama": "LlamaAdapterModel",
    "modernbert": "ModernBertAdapterModel",
    "roberta": "RobertaAdapterModel",
    "t5": "T5AdapterModel",
    "vit": "ViTAdapterModel",
    "whisper": "WhisperAdapterModel",
    # adaptergen: end adapter-models
}

MODEL_PACKAGES: dict[str, str] = {
    # adaptergen: begin model-packages (computed from every plan.toml)
    "transformers.models.bart.modeling_bart": "bart",
    "transformers.models.bert.modeling_bert": "bert",
    "transformers.models.deberta_v2.modeling_deberta_v2": "deberta_v2",
    "transformers.models.distilbert.modeling_distilbert": "distilbert",
    "transformers.models.gemma2.modeling_gemma2": "gemma2",
    "transformers.models.gpt2.modeling_gpt2": "gpt2",
    "transformers.models.gpt_neo.modeling_gpt_neo": "gpt_neo",
    "transformers.models.llama.modeling_llama": "llama",
    "transformers.models.modernbert.modeling_modernbert": "modernbert",
    "transformers.models.roberta.modeling_roberta": "roberta",
    "transformers.models.t5.modeling_t5": "t5",
    "transformers.models.vit.modeling_vit": "vit",
    "transformers.models.whisper.modeling_whisper": "whisper",
    # adaptergen: end model-packages
}

CONFIG_CLASS_KEYS_MAPPING: dict[str, dict[str, str]] = {
    # adaptergen: begin config-names (computed from every plan.toml)
    "bart": {
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "distilbert": {
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "gemma2": {
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
    "llama": {
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "modernbert": {
        "hidden_dropout_prob": "attention_dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    "t5": {
        "hidden_dropout_prob": "dropout_rate",
        "attention_probs_dropout_prob": "dropout_rate",
    },
    "whisper": {
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    # adaptergen: end config-names
}
