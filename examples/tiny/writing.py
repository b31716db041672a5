"""Texts to go on with and to shorten, and small models that have written others."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import torch
from datasets import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from common.options import Options
from tiny import reports, reviews
from tiny.folders import SIZES, different, placed, save, steps
from tiny.pretraining import Batch, pretrain
from tiny.tokenizers import ending_tokenizer


WRITER_STEPS, COPIER_STEPS = 400, 800
BATCH = 32
POOL = 4000  # texts that a model is pretrained on
KNOWN = 0.05  # share of reviews among them, for the model that is to learn reviews
SUMMARIES = {"train": 2000, "validation": 300}
NOT_ASKED = -100


def made_stories(options: Options) -> Options:
    """Reviews, and a model that has written reports, and few reviews."""
    random = Random(options.training.seed)
    parts = different(lambda: reviews.review(random).text, lambda text: text, list(SIZES.values()))
    data = {split: Dataset.from_dict({"text": part}) for split, part in zip(SIZES, parts, strict=True)}
    return placed(options, {"": data}, partial(write_writer, steps(options, WRITER_STEPS)))


def write_writer(count: int, folder: Path) -> None:
    """A GPT-2 that has learned reports, and few reviews."""
    torch.manual_seed(0)
    tokenizer = ending_tokenizer((*reports.words(), *reviews.words()))
    ends = dict.fromkeys(("bos_token_id", "eos_token_id"), tokenizer.eos_token_id)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=64, n_embd=64, n_layer=2, n_head=4, n_inner=128, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, pad_token_id=tokenizer.pad_token_id, **ends,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    random = Random(0)
    texts = _reports(0) + [reviews.review(random).text for _ in range(round(KNOWN * POOL))]
    pretrain(model, _batches(tokenizer, texts, None), count)
    save(model, tokenizer, folder)


def made_summaries(options: Options) -> Options:
    """Reports and what happened in them, in the format of XSum, and a model that can repeat texts."""
    random = Random(options.training.seed)
    parts = different(lambda: reports.report(random), lambda each: each.text, list(SUMMARIES.values()))
    data = {
        split: Dataset.from_dict(
            {"document": [one.text for one in part], "summary": [one.event.short for one in part]}
        )
        for split, part in zip(SUMMARIES, parts, strict=True)
    }
    return placed(options, {"": data}, partial(write_copier, steps(options, COPIER_STEPS)))


def write_copier(count: int, folder: Path) -> None:
    """A T5 that has learned to repeat reports, some of whose words it does not see."""
    torch.manual_seed(0)
    tokenizer = ending_tokenizer(reports.words())
    config = T5Config(
        vocab_size=len(tokenizer), d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, dropout_rate=0.0,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config)
    texts = _reports(0)
    pretrain(model, _batches(tokenizer, texts, hidden=0.1), count, learning_rate=5e-3)
    save(model, tokenizer, folder)


def _reports(seed: int) -> list[str]:
    random = Random(seed)
    return [reports.report(random).text for _ in range(POOL)]


def _batches(tokenizer: PreTrainedTokenizerFast, texts: list[str], hidden: float | None) -> Callable[[], Batch]:
    """
    Texts that are to be written.

    Args:
        hidden: the share of words that are not seen, of models that see the text first.
    """
    chooser = torch.Generator().manual_seed(0)
    encoded = tokenizer(texts, padding=True, return_tensors="pt")

    def batch() -> Batch:
        rows = torch.randint(len(texts), (BATCH,), generator=chooser)
        tokens, mask = encoded["input_ids"][rows], encoded["attention_mask"][rows]
        labels = tokens.masked_fill(mask == 0, NOT_ASKED)
        if hidden is not None:
            is_hidden = torch.rand(tokens.shape, generator=chooser) < hidden
            tokens = tokens.masked_fill(is_hidden & (mask == 1), tokenizer.mask_token_id)
        return {"input_ids": tokens, "attention_mask": mask, "labels": labels}

    return batch
