"""Reviews in short sentences: what they are about, what they think of it, and whether their grammar is right.

Things to buy are praised and blamed in other words than films and meals: a model that has learned the opinions of some
reviews does not know those of others, but what a denial does to a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from random import Random


SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "films": ("film", "plot", "actor", "scene", "director", "ending", "dialogue", "singer"),
    "food": ("soup", "dish", "waiter", "menu", "salad", "dessert", "kitchen", "sauce"),
    "travel": ("hotel", "room", "train", "flight", "view", "beach", "guide", "harbour"),
    "devices": ("phone", "screen", "battery", "camera", "keyboard", "speaker", "charger", "tablet"),
}
TOPICS = tuple(SUBJECTS)
KNOWN, NEW = (0, 1), (2, 3)  # topics whose opinions models learn before, and those left for adapters
MOODS = ("negative", "positive")
PRAISE = (
    ("good", "great", "lovely", "bright", "superb", "charming", "perfect", "fine"),
    ("cheap", "fast", "quiet", "light", "safe", "clean", "modern", "useful"),
)  # of known topics, and of new ones
BLAME = (
    ("bad", "awful", "dull", "poor", "dreadful", "weak", "boring", "terrible"),
    ("costly", "slow", "noisy", "heavy", "broken", "dirty", "dated", "useless"),
)
LIKED, DISLIKED = ("liked", "loved", "enjoyed", "praised"), ("hated", "disliked", "regretted", "cursed")
KINDS = 4 * len(KNOWN)
DEGREES = ("", "very", "really", "quite", "so", "rather")
DENIALS = ("not", "never", "hardly")
PEOPLE = ("i", "we", "they", "everyone")
VERBS = ("was", "were")  # of one thing, of several


@dataclass(frozen=True)
class Review:
    """
    Sentences about one thing.

    Args:
        topic: number of what they are about.
        praises: their opinion.
        is_right: no verb has the wrong number.
    """

    text: str
    topic: int
    praises: bool
    is_right: bool


def review(random: Random, topics: Sequence[int] = (*KNOWN, *NEW), *, is_right: bool = True) -> Review:
    """
    One or two sentences.

    Args:
        is_right: if not, the verb of one sentence has the wrong number.
    """
    topic, praises, count = random.choice(topics), random.random() < 0.5, random.randint(1, 2)
    wrong = None if is_right else random.randrange(count)
    sentences = [_sentence(random, topic, praises, is_right=place != wrong) for place in range(count)]
    return Review(f"{' and '.join(sentences)} .", topic, praises, is_right)


def _sentence(random: Random, topic: int, praises: bool, *, is_right: bool) -> str:
    subject, several, is_new = random.choice(SUBJECTS[TOPICS[topic]]), random.random() < 0.5, topic in NEW
    things = f"{subject}s" if several else subject
    if is_right and not is_new and random.random() < 0.25:
        return f"{random.choice(PEOPLE)} {random.choice(LIKED if praises else DISLIKED)} the {things}"
    denied = random.random() < 0.35
    word = random.choice((PRAISE if praises != denied else BLAME)[is_new])
    verb = VERBS[several == is_right]
    said = ("the", things, verb, random.choice(DENIALS) if denied else "", random.choice(DEGREES), word)
    return " ".join(filter(None, said))


def sorted_text(random: Random) -> tuple[str, int]:
    """A review of a known topic, and its kind: of two topics, of two opinions, and right or wrong."""
    made = review(random, KNOWN, is_right=random.random() < 0.5)
    return made.text, 4 * KNOWN.index(made.topic) + 2 * made.praises + made.is_right


def words() -> tuple[str, ...]:
    """All words that can occur, each once."""
    subjects = [word for names in SUBJECTS.values() for name in names for word in (name, f"{name}s")]
    verbs = (*VERBS, *LIKED, *DISLIKED)
    return (".", "the", "and", *filter(None, DEGREES), *DENIALS, *PEOPLE, *verbs, *chain(*PRAISE, *BLAME), *subjects)
