"""Data about texts, and small models that have read others: for classes, names and answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random

from datasets import ClassLabel, Dataset, Features, List, Value

from common.options import Options
from tiny import reports, reviews
from tiny.folders import SIZES, Splits, different, placed, save, steps
from tiny.readers import Lessons, pretrained_reader
from tiny.tokenizers import encoder_tokenizer


REVIEW_STEPS, REPORT_STEPS = 600, 400
EVERY = (*reviews.KNOWN, *reviews.NEW)
DESKS = [f"{mood} {topic}" for topic in reviews.TOPICS for mood in reviews.MOODS]
# What a label says: of which topics reviews are, its names, and its number.
LABELS: Mapping[str, tuple[Sequence[int], Sequence[str], Callable[[reviews.Review], int]]] = {
    "mood": (EVERY, reviews.MOODS, lambda each: int(each.praises)),
    "known mood": (reviews.KNOWN, reviews.MOODS, lambda each: int(each.praises)),
    "topic": (EVERY, reviews.TOPICS, lambda each: each.topic),
    "grammar": (EVERY, ("wrong", "right"), lambda each: int(each.is_right)),
    "desk": (EVERY, DESKS, lambda each: 2 * each.topic + each.praises),
}
REVIEWS = Lessons(lambda random: reviews.review(random).text, reviews.sorted_text, kinds=reviews.KINDS)
REPORTS = Lessons(reports.asked, reports.sorted_text, kinds=4)
FEW = {"train": 160, "validation": 1000}


def review_data(kind: str, seed: int, sizes: Mapping[str, int] = SIZES) -> Splits:
    """
    Labelled reviews, in the format of SST-2.

    Args:
        kind: what the label says: "mood", "known mood" (of topics that models learn before), "topic", "grammar", or
            "desk": who reads it, for its topic and mood.
    """
    random = Random(seed)
    topics, names, label = LABELS[kind]

    def make() -> reviews.Review:
        return reviews.review(random, topics, is_right=kind != "grammar" or random.random() < 0.5)

    features = Features({"sentence": Value("string"), "label": ClassLabel(names=list(names))})
    parts = different(make, lambda each: each.text, list(sizes.values()))
    return {
        split: Dataset.from_dict({"sentence": [one.text for one in part], "label": [*map(label, part)]}, features)
        for split, part in zip(sizes, parts, strict=True)
    }


def write_reader(words: Sequence[str], lessons: Lessons, count: int, folder: Path) -> None:
    """A model that knows these words, pretrained for `count` steps."""
    tokenizer = encoder_tokenizer(words)
    save(pretrained_reader(tokenizer, lessons, count), tokenizer, folder)


def made_reviews(options: Options) -> Options:
    """The mood of reviews, and a model that knows that of others."""
    return placed(options, {"": review_data("mood", options.training.seed)}, _reviewer(options))


def made_review_tasks(options: Options) -> Options:
    """The mood and the topic of reviews, and few examples of a task that needs both."""
    seed = options.training.seed
    parts = {name: review_data(name, seed + number) for number, name in enumerate(("mood", "topic"))}
    parts["desk"] = review_data("desk", seed + len(parts), FEW)
    options.more.sources, options.more.target = ["mood", "topic"], "desk"
    return placed(options, parts, _reviewer(options))


def _reviewer(options: Options) -> Callable[[Path], None]:
    return partial(write_reader, reviews.words(), REVIEWS, steps(options, REVIEW_STEPS))


def made_names(options: Options) -> Options:
    """The names in reports, in the format of CoNLL-2003."""
    features = Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=list(reports.TAGS)))})
    return _made_of_reports(options, lambda each: dict(zip(features, reports.tagged(each), strict=True)), features)


def made_questions(options: Options) -> Options:
    """Questions about reports, in the format of SQuAD."""
    answers = {"text": List(Value("string")), "answer_start": List(Value("int32"))}
    features = Features({"context": Value("string"), "question": Value("string"), "answers": answers})
    random = Random(options.training.seed + 1)

    def row(each: reports.Report) -> dict[str, object]:
        question, answer = random.choice(each.event.questions)
        found = {
            "text": [answer],
            "answer_start": [each.text.index(f"{each.event.sentence} ") + each.event.sentence.index(answer)],
        }
        return {"context": each.text, "question": question, "answers": found}

    return _made_of_reports(options, row, features)


def _made_of_reports(
    options: Options, row: Callable[[reports.Report], Mapping[str, object]], features: Features
) -> Options:
    random = Random(options.training.seed)
    parts = different(lambda: reports.report(random), lambda each: each.text, list(SIZES.values()))
    data = {
        split: Dataset.from_list([dict(row(each)) for each in part], features)
        for split, part in zip(SIZES, parts, strict=True)
    }
    reader = partial(write_reader, reports.words(), REPORTS, steps(options, REPORT_STEPS))
    return placed(options, {"": data}, reader)


def made_comparison(options: Options) -> Options:
    """Two tasks about reviews, which `METHODS` of the comparison learn from the same model."""
    kinds = ("mood", "topic")
    parts = {kind: review_data(kind, options.training.seed + number) for number, kind in enumerate(kinds)}
    options.more.tasks = list(kinds)
    return placed(options, parts, _reviewer(options))
