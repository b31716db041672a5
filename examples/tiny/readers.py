"""Small BERT models that have learned hidden words of texts, and what kinds of texts some of them are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification, PreTrainedTokenizerFast

from tiny.pretraining import Batch, masked, pretrain


Text = str | tuple[str, str]


@dataclass(frozen=True)
class Lessons:
    """
    What a model learns before adapters are trained on it.

    Args:
        text: makes a text, or two, of which words are hidden.
        sorted_text: makes one whose kind is told, and its kind, a number.
        kinds: how many there are.
    """

    text: Callable[[Random], Text]
    sorted_text: Callable[[Random], tuple[Text, int]]
    kinds: int


SIZES = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4}
START = 0.1  # spread of new weights: in a narrow model, those of BERT (0.02) would let through too little
BATCH = 32
POOL = 200  # batches that are made; a longer training sees them again, with other words hidden
HIDDEN = 0.2  # share of the words


def pretrained_reader(
    tokenizer: PreTrainedTokenizerFast, lessons: Lessons, steps: int, seed: int = 0
) -> BertForMaskedLM:
    """A model that has learned so many batches."""
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer), max_position_embeddings=64, pad_token_id=tokenizer.pad_token_id,
        num_labels=lessons.kinds, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=START,
        **SIZES,
    )  # fmt: skip
    pupil = _Pupil(config)
    random, chooser, count = Random(seed), torch.Generator().manual_seed(seed), min(steps, POOL) * BATCH
    hidden = _with_hidden(tokenizer, [lessons.text(random) for _ in range(count)], chooser)
    kinds = _with_kinds(tokenizer, [lessons.sorted_text(random) for _ in range(count)], chooser)
    pretrain(pupil, lambda: {"words": hidden(), "kinds": kinds()}, steps)
    return pupil.reader.eval()


@dataclass(frozen=True)
class _Lost:
    loss: Tensor


class _Pupil(nn.Module):
    """One encoder with two heads, that learn at the same time."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.reader, self.sorter = BertForMaskedLM(config), BertForSequenceClassification(config)
        self.sorter.bert.embeddings, self.sorter.bert.encoder = self.reader.bert.embeddings, self.reader.bert.encoder

    def forward(self, words: Batch, kinds: Batch) -> _Lost:
        return _Lost(self.reader(**words).loss + self.sorter(**kinds).loss)


def _with_hidden(
    tokenizer: PreTrainedTokenizerFast, texts: Sequence[Text], chooser: torch.Generator
) -> Callable[[], Batch]:
    encoded = tokenizer(list(texts), padding=True, return_tensors="pt")

    def batch() -> Batch:
        rows = torch.randint(len(texts), (BATCH,), generator=chooser)
        asked = masked(encoded["input_ids"][rows], tokenizer, chooser, HIDDEN)
        return {**asked, "token_type_ids": encoded["token_type_ids"][rows]}

    return batch


def _with_kinds(
    tokenizer: PreTrainedTokenizerFast, texts: Sequence[tuple[Text, int]], chooser: torch.Generator
) -> Callable[[], Batch]:
    encoded = tokenizer([text for text, _ in texts], padding=True, return_tensors="pt")
    encoded["labels"] = torch.tensor([kind for _, kind in texts])

    def batch() -> Batch:
        rows = torch.randint(len(texts), (BATCH,), generator=chooser)
        return {name: values[rows] for name, values in encoded.items()}

    return batch
