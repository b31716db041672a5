"""On which models is it measured? Small ones, in which Python counts, and middle ones, in which matrices do."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import transformers
from torch import Tensor, nn


VOCABULARY = 512


@dataclass(frozen=True)
class Size:
    """
    Args:
        batch, length: of the input, in examples and tokens.
    """

    hidden: int
    layers: int
    heads: int
    batch: int
    length: int


SIZES = {"tiny": Size(32, 2, 2, 2, 16), "middle": Size(256, 4, 4, 8, 128)}
MODELS = ("bert", "gpt2", "llama")


def build(name: str, size: str) -> nn.Module:
    """A classifier (BERT) or a language model with random weights, the same for each caller."""
    torch.manual_seed(0)
    made, shape = transformers.AutoConfig, SIZES[size]
    special = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    if name == "gpt2":
        config = made.for_model(name, n_embd=shape.hidden, n_layer=shape.layers, n_head=shape.heads, **special)
    else:
        config = made.for_model(
            name,
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=4 * shape.hidden,
            **special,
        )
    kind = transformers.AutoModelForSequenceClassification if name == "bert" else transformers.AutoModelForCausalLM
    return kind.from_config(config).to(device()).eval()


def batch_for(name: str, size: str, *, labels: bool = False) -> dict[str, Tensor]:
    torch.manual_seed(1)
    shape = SIZES[size]
    words = torch.randint(3, VOCABULARY, (shape.batch, shape.length), device=device())
    batch = {"input_ids": words, "attention_mask": torch.ones_like(words)}
    if labels:
        batch["labels"] = words[:, 0] % 2 if name == "bert" else words
    return batch


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
