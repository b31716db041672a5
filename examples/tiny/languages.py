"""A second language: that of the reviews, with other words for most things."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random

from datasets import Dataset

from common.options import Options
from tiny import reading, reviews
from tiny.folders import placed, save, steps
from tiny.readers import Lessons, pretrained_reader
from tiny.tokenizers import encoder_tokenizer


STEPS = 400
TEXTS = 3000  # of each language, for its adapter
KEPT = {"film", "films", "menu", "menus", "hotel", "hotels", "phone", "phones", "camera", "cameras", "director", "."}
SHIFTED = str.maketrans("aeioubdgptkmnslr", "eioaupkbtdgnmzrl")


def translated(text: str) -> str:
    """Word by word; some words are the same in both languages."""
    return " ".join(word if word in KEPT else f"{word.translate(SHIFTED)[::-1]}u" for word in text.split())


def words() -> tuple[str, ...]:
    return tuple(translated(word) for word in reviews.words())


def made_languages(options: Options) -> Options:
    """
    Labelled reviews in one language, texts in both, and a model that has read both of them, often in one sentence, and
    so knows the opinions of these reviews in both. The reviews of the second language are others than those of the
    first.
    """
    seed, more = options.training.seed, options.more
    here, there = reading.review_data("known mood", seed), reading.review_data("known mood", seed + 1)
    parts = {
        "here": here,
        "there": {
            split: data.map(lambda row: {"sentence": translated(row["sentence"])}) for split, data in there.items()
        },
    }
    for name, language in (("texts_here", str), ("texts_there", translated)):
        random = Random(seed + 2)
        texts = [language(reviews.review(random).text) for _ in range(TEXTS)]
        parts[name] = {"train": Dataset.from_dict({"text": texts})}
    more.source, more.target, more.source_texts, more.target_texts = parts
    made = placed(options, parts, partial(write_traveller, steps(options, STEPS)))
    more.texts = made.dataset
    return made


def write_traveller(count: int, folder: Path) -> None:
    """A model that has learned both languages from people who mix them."""
    tokenizer = encoder_tokenizer((*reviews.words(), *words()))
    lessons = Lessons(lambda random: _mixed(random, reviews.review(random).text), _sorted_text, kinds=reviews.KINDS)
    save(pretrained_reader(tokenizer, lessons, count), tokenizer, folder)


def _mixed(random: Random, text: str) -> str:
    """A text with any share of words of the second language, from none to all."""
    share = random.random()
    return " ".join(translated(word) if random.random() < share else word for word in text.split())


def _sorted_text(random: Random) -> tuple[str, int]:
    text, kind = reviews.sorted_text(random)
    return _mixed(random, text), kind
