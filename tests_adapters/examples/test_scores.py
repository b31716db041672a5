"""Are scores those of the formats that the examples read, and is a table what the runs say?"""

from __future__ import annotations

import numpy as np
import pytest

from tests_adapters.examples.scripts import module, needs_extra


def test_words_in_the_same_order() -> None:
    rouge_l = module("common.metrics").rouge_l
    assert rouge_l(["the cat sat"], ["the cat sat"]) == 1
    assert rouge_l(["the cat sat down"], ["the old cat sat"]) == pytest.approx(2 * 3 / 8)
    assert rouge_l(["sat cat the"], ["the cat sat"]) == pytest.approx(2 * 1 / 6)
    assert rouge_l(["", "a"], ["a", "a"]) == 0.5


def test_wrong_words() -> None:
    word_errors = module("common.metrics").word_errors
    assert word_errors(["one two", "three"], ["one two", "three"]) == 0
    assert word_errors(["one too", ""], ["one two", "three"]) == pytest.approx(2 / 3)  # one changed, one left out
    assert word_errors(["a b c d"], ["a"]) == 3


def test_whole_names() -> None:
    metrics = module("common.metrics")
    tags = ["B-PER", "I-PER", "O", "B-LOC", "B-LOC", "I-ORG"]
    assert metrics.names(tags) == [(0, 2, "PER"), (3, 4, "LOC"), (4, 5, "LOC"), (5, 6, "ORG")]
    cut = ["B-PER", "O", "O", "B-LOC", "B-LOC", "B-ORG"]
    assert metrics.name_f1([tags], [tags]) == 1
    assert metrics.name_f1([cut], [tags]) == pytest.approx(2 * 3 / 8)


def test_overlap_counts_a_word_as_often_as_both_have_it() -> None:
    overlap = module("common.metrics").overlap
    assert overlap("new york", "new york") == 1
    assert overlap("york york", "york") == pytest.approx(2 / 3)
    assert overlap("rome", "new york") == 0


def test_correlation() -> None:
    correlation = module("common.metrics").correlation
    found, right = [1.0, 2.0, 4.0], [2.0, 3.0, 9.0]
    assert correlation(found, right) == pytest.approx(np.corrcoef(found, right)[0, 1])
    assert correlation([1.0, 1.0], [0.0, 1.0]) == 0


@needs_extra
def test_answers_come_from_the_best_part_of_a_text() -> None:
    best_answers = module("common.answers").best_answers
    context = "anna left rome in may"
    spans = [[-1, -1], [0, 4], [5, 9], [10, 14]]  # of a special token, and of the first three words
    data = [{"context": context}]
    first = {"row": [0], "spans": [spans]}
    assert best_answers(data, first, np.array([[9.0, 1, 0, 5]]), np.array([[9.0, 0, 1, 5]])) == ["rome"]

    second = {"row": [0, 0], "spans": [spans, [[-1, -1], [10, 14], [15, 17], [18, 21]]]}
    starts, ends = np.array([[0.0, 1, 0, 0], [0, 0, 0, 8]]), np.array([[0.0, 1, 0, 0], [0, 0, 0, 8]])
    assert best_answers(data, second, starts, ends) == ["may"]

    backwards = np.array([[0.0, 0, 0, 5]]), np.array([[0.0, 5, 0, 1]])  # an end before its start is none
    assert best_answers(data, first, *backwards) == ["rome"]


def test_table_of_means() -> None:
    comparison = module("common.comparison")
    runs = [
        comparison.Run("LoRA", "mood", 0, "setting", "lora", 0.001, 0.90, 10, 1000, 2.0, 2**20),
        comparison.Run("LoRA", "mood", 1, "setting", "lora", 0.001, 0.80, 10, 1000, 4.0, 2**20),
        comparison.Run("LoRA", "topic", 0, "setting", "lora", 0.001, 1.00, 10, 1000, 3.0, 2**20),
        comparison.Run("LoRA", "topic", 1, "setting", "lora", 0.001, 0.50, 10, 1000, 3.0, 2**20),
    ]
    (row,) = comparison.rows_of(runs)
    assert (row.scores, row.score) == (pytest.approx({"mood": 0.85, "topic": 0.75}), pytest.approx(0.8))
    assert (row.lowest, row.highest) == (pytest.approx(0.65), pytest.approx(0.95))
    assert comparison.table([row]).splitlines()[2] == "| LoRA | 10 | 1.00 % | 85.0 | 75.0 | 80.0 | 3.0 | 1.0 MiB |"
