"""A tokenizer that needs no download: one token per word of a short list."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast


SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = (
    "the",
    "a",
    "film",
    "plot",
    "actor",
    "was",
    "is",
    "not",
    "very",
    "good",
    "bad",
    "dull",
    "bright",
    "and",
    "but",
    "seen",
    "we",
    "they",
    "it",
    "never",
)


def made_tokenizer(words: Iterable[str] = WORDS) -> PreTrainedTokenizerFast:
    """Special tokens first, then the words in their order; what else occurs is `[UNK]`."""
    vocabulary = {word: index for index, word in enumerate((*SPECIAL, *words))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **dict(zip(names, SPECIAL, strict=True)))
