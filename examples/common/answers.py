"""Questions about texts that are longer than a model's input, in the format of SQuAD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import PreTrainedTokenizerBase


LONGEST = 30  # tokens of an answer
CANDIDATES = 20  # best starts, and best ends, that are looked at
Spans = Sequence[tuple[int, int] | None]


def windows(data: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Dataset:
    """
    One row for each part of a text that fits, overlapping with the next.

    Returns:
        Token numbers; where the answer starts and ends, at the first token if it is not in this part; and what is
        needed to read an answer off: `row`, the number of the question, and `spans`, the characters of each token of
        the text, (-1, -1) for all others.
    """

    def encode(rows: Mapping[str, Sequence[Any]], numbers: Sequence[int]) -> dict[str, Any]:
        made = tokenizer(
            list(rows["question"]), list(rows["context"]), truncation="only_second", max_length=max_length,
            stride=max_length // 3, return_overflowing_tokens=True, return_offsets_mapping=True,
        )  # fmt: skip
        of, offsets = made.pop("overflow_to_sample_mapping"), made.pop("offset_mapping")
        spans = [
            [span if part == 1 else None for span, part in zip(one, made.sequence_ids(place), strict=True)]
            for place, one in enumerate(offsets)
        ]
        asked = [_positions(rows["answers"][row], one) for row, one in zip(of, spans, strict=True)]
        made["start_positions"], made["end_positions"] = (list(ends) for ends in zip(*asked, strict=True))
        made["row"] = [numbers[row] for row in of]
        made["spans"] = [[list(span or (-1, -1)) for span in one] for one in spans]
        return dict(made)

    return data.map(encode, batched=True, with_indices=True, remove_columns=data.column_names, desc="tokens")


def _positions(answers: Mapping[str, Sequence[Any]], spans: Spans) -> tuple[int, int]:
    """First and last token of the first answer; (0, 0) if it is not there."""
    if not answers["text"]:
        return 0, 0
    start = answers["answer_start"][0]
    end = start + len(answers["text"][0])
    inside = [place for place, span in enumerate(spans) if span and span[0] < end and span[1] > start]
    is_whole = inside and spans[inside[0]][0] <= start and spans[inside[-1]][1] >= end  # type: ignore[index]
    return (inside[0], inside[-1]) if is_whole else (0, 0)


def best_answers(data: Dataset, parts: Dataset, starts: np.ndarray, ends: np.ndarray) -> list[str]:
    """
    The answer to each question: the words between the likeliest pair of a start and an end, in any of its parts.

    Args:
        starts, ends: (parts, tokens), scores of each token.
    """
    best = [(-np.inf, "")] * len(data)
    for row, spans, start, end in zip(parts["row"], parts["spans"], starts, ends, strict=True):
        score, first, last = _best_span(spans, start, end)
        if score > best[row][0]:
            text = data[row]["context"][spans[first][0] : spans[last][1]] if last >= first >= 0 else ""
            best[row] = (score, text)
    return [text for _, text in best]


def _best_span(spans: Sequence[Sequence[int]], start: np.ndarray, end: np.ndarray) -> tuple[float, int, int]:
    """(score, first token, last token)"""
    inside = np.array([place for place, span in enumerate(spans) if span[0] >= 0])
    if not len(inside):
        return -np.inf, -1, -1
    firsts = inside[np.argsort(-start[inside])[:CANDIDATES]]
    lasts = inside[np.argsort(-end[inside])[:CANDIDATES]]
    pairs = [(first, last) for first in firsts for last in lasts if first <= last < first + LONGEST]
    scored = [(float(start[first] + end[last]), int(first), int(last)) for first, last in pairs]
    return max(scored, default=(-np.inf, -1, -1))
