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
    "bert",
    "bert_generation",
    "big_bird",
    "bloom",
    "cohere",
    "deberta",
    "deberta_v2",
    "dinov2",
    "distilbert",
    "electra",
    "esm",
    "falcon",
    "gemma2",
    "gpt2",
    "gpt_neo",
    "gpt_neox",
    "gpt_oss",
    "granite",
    "llama",
    "longformer",
    "m2m_100",
    "marian",
    "mbart",
    "mistral",
    "mixtral",
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
    "qwen3",
    "roberta",
    "siglip",
    "smollm3",
    "t5",
    "vit",
    "wavlm",
    "whisper",
    "xlm_roberta",
    "xmod",
    # adaptergen: end checked-models
)

if __name__ == "__main__":
    main(["-C", str(Path(__file__).parent.parent), "check", *CHECKED_MODELS], prog_name="adaptergen")
