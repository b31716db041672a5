"""Is every model in this repository as adaptergen writes it? Run before a commit; CI runs it, too.

A hand-edited generated file, a missing test, page, table row or registry entry, a head class without adapters and a
changed upstream file all fail, each with its place and the command that mends it.
"""

from pathlib import Path

from adaptergen.cli import main


CHECKED_MODELS = (
    # adaptergen: begin checked-models (computed from every plan.toml)
    "albert",
    "bart",
    "beit",
    "bert",
    "bert_generation",
    "big_bird",
    "bloom",
    "clip",
    "cohere",
    "deberta",
    "deberta_v2",
    "deepseek_v3",
    "dinov2",
    "dinov3_vit",
    "distilbert",
    "electra",
    "encoder_decoder",
    "esm",
    "falcon",
    "gemma2",
    "gemma3",
    "gemma3n",
    "gemma4",
    "gpt2",
    "gpt_neo",
    "gpt_neox",
    "gpt_oss",
    "gptj",
    "granite",
    "hubert",
    "llama",
    "longformer",
    "m2m_100",
    "marian",
    "mbart",
    "mistral",
    "mixtral",
    "mllama",
    "modernbert",
    "moonshine",
    "mt5",
    "nomic_bert",
    "olmo2",
    "opt",
    "phi",
    "phi3",
    "plbart",
    "qwen2",
    "qwen2_moe",
    "qwen3",
    "qwen3_moe",
    "roberta",
    "siglip",
    "smollm3",
    "t5",
    "vit",
    "wav2vec2",
    "wavlm",
    "whisper",
    "xlm_roberta",
    "xmod",
    # adaptergen: end checked-models
)

if __name__ == "__main__":
    main(["-C", str(Path(__file__).parent.parent), "check", *CHECKED_MODELS], prog_name="adaptergen")
