"""Is every model in this repository as adaptergen writes it? Run before a commit; CI runs it, too.

A hand-edited generated file, a missing test, page, table row or registry entry, a head class without adapters and a
changed upstream file all fail, each with its place and the command that mends it.
"""

from pathlib import Path

from adaptergen.cli import main


CHECKED_MODELS = (
    # adaptergen: begin checked-models (computed from every plan.toml)
    "bart",
    "bert",
    "deberta_v2",
    "distilbert",
    "gemma2",
    "gpt2",
    "gpt_neo",
    "llama",
    "modernbert",
    "roberta",
    "t5",
    "vit",
    "whisper",
    # adaptergen: end checked-models
)

if __name__ == "__main__":
    main(["-C", str(Path(__file__).parent.parent), "check", *CHECKED_MODELS], prog_name="adaptergen")
