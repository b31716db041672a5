"""Scores between 0 and 1, from plain lists: nothing is downloaded for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def accuracy(found: Sequence[int], right: Sequence[int]) -> float:
    return sum(one == other for one, other in zip(found, right, strict=True)) / len(right)


def correlation(found: Sequence[float], right: Sequence[float]) -> float:
    """Pearson's; 0 if one side never changes."""
    middle = [sum(numbers) / len(numbers) for numbers in (found, right)]
    apart = [[number - mean for number in numbers] for numbers, mean in zip((found, right), middle, strict=True)]
    sizes = [sum(number * number for number in numbers) ** 0.5 for numbers in apart]
    together = sum(one * other for one, other in zip(*apart, strict=True))
    return together / (sizes[0] * sizes[1]) if all(sizes) else 0.0


def overlap(found: str, right: str) -> float:
    """F1 of the words of two texts, as SQuAD counts it."""
    ours, theirs = found.split(), right.split()
    common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs)) if ours or theirs else 1.0


def rouge_l(found: Sequence[str], right: Sequence[str]) -> float:
    """Mean F1 of the longest common subsequence of words (Lin, 2004)."""
    return sum(map(_rouge_l, found, right)) / len(right)


def _rouge_l(found: str, right: str) -> float:
    ours, theirs = found.lower().split(), right.lower().split()
    longest = [0] * (len(theirs) + 1)
    for word in ours:
        above = longest.copy()
        for place, other in enumerate(theirs):
            longest[place + 1] = above[place] + 1 if word == other else max(above[place + 1], longest[place])
    return 2 * longest[-1] / (len(ours) + len(theirs)) if ours or theirs else 1.0


def word_errors(found: Sequence[str], right: Sequence[str]) -> float:
    """Words to be changed, added and left out, for each word that was spoken: may be more than 1."""
    spoken = sum(len(text.split()) for text in right)
    return sum(_distance(one.split(), other.split()) for one, other in zip(found, right, strict=True)) / max(1, spoken)


def _distance(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """Levenshtein's."""
    row = list(range(len(theirs) + 1))
    for place, word in enumerate(ours, 1):
        above, row = row, [place]
        for other_place, other in enumerate(theirs, 1):
            changed = above[other_place - 1] + (word != other)
            row.append(min(changed, above[other_place] + 1, row[-1] + 1))
    return row[-1]


def name_f1(found: Sequence[Sequence[str]], right: Sequence[Sequence[str]]) -> float:
    """F1 of whole names, as CoNLL counts it: every word must be there, and the kind right."""
    ours, theirs = (
        {(row, *name) for row, tags in enumerate(all_tags) for name in names(tags)} for all_tags in (found, right)
    )
    return 2 * len(ours & theirs) / (len(ours) + len(theirs)) if ours or theirs else 1.0


def names(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """(first, after the last, kind) of each name in tags of the scheme IOB2."""
    result: list[tuple[int, int, str]] = []
    for place, tag in enumerate(tags):
        mark, _, kind = tag.partition("-")
        goes_on = mark == "I" and result and result[-1][1:] == (place, kind)
        if goes_on:
            result[-1] = (result[-1][0], place + 1, kind)
        elif mark in ("B", "I"):
            result.append((place, place + 1, kind))
    return result
