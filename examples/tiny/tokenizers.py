"""Tokenizers of one token per word, made in memory."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, normalizers, processors
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast


SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
    "eos_token": "[END]",
}
KINDS = ("token_type_ids",)


def encoder_tokenizer(words: Iterable[str], length: int = 64) -> PreTrainedTokenizerFast:
    """As that of BERT: `[CLS] first [SEP] second [SEP]`, with other token types for the second text."""
    return _tokenizer(words, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", length, ("[CLS]", "[SEP]"), KINDS)


def ending_tokenizer(words: Iterable[str], length: int = 64) -> PreTrainedTokenizerFast:
    """As those of T5 and GPT-2 in training: a text, and its end."""
    return _tokenizer(words, "$A [END]", "$A $B [END]", length, ("[END]",))


def _tokenizer(
    words: Iterable[str], single: str, pair: str, length: int, used: tuple[str, ...], more: tuple[str, ...] = ()
) -> PreTrainedTokenizerFast:
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys((*SPECIAL.values(), *words)))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=SPECIAL["unk_token"]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[(token, vocabulary[token]) for token in used]
    )
    inputs = ["input_ids", "attention_mask", *more]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=length, model_input_names=inputs, **SPECIAL
    )
