"""Reports of who did what, where and when: their names, questions about them, and what they say in short."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


FIRST_NAMES = (
    "anna", "ben", "clara", "david", "emma", "felix", "grace", "henry", "ida", "jonas", "karla", "leo", "marie",
    "nils", "olga", "paul", "rosa", "simon", "tina", "victor",
)  # fmt: skip
LAST_NAMES = ("adler", "brandt", "costa", "dubois", "ericson", "fischer", "garcia", "hansen", "ivanov", "jensen")
PLACES = (
    "athens", "berlin", "cairo", "dublin", "geneva", "havana", "lisbon", "madrid", "oslo", "paris", "rome", "tokyo",
    "vienna", "warsaw", "new york", "new delhi", "cape town", "san marino", "port louis", "bad homburg",
)  # fmt: skip
FIRMS = (
    "acme", "borealis", "cobalt", "delphi", "everest", "falcon motors", "granite bank", "helios", "iris press", "juno",
    "kestrel bank", "lumen", "meridian motors", "nimbus", "orion press",
)  # fmt: skip
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
ACTIONS = ("visited", "left", "painted", "described", "filmed", "explored")
DEALS = ("joined", "sued", "praised", "founded", "sold", "advised")
ASIDES = (
    "the weather was cold", "nobody was hurt", "the streets were quiet", "many people came", "the news spread quickly",
    "it was a long day", "prices had risen again", "the press was there",
)  # fmt: skip
NO_NAME, PERSON, PLACE, FIRM = "O", "PER", "LOC", "ORG"
TAGS = (NO_NAME, "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")


@dataclass(frozen=True)
class Event:
    """What happened: the parts of one sentence."""

    who: str
    verb: str
    what: str
    when: str
    is_deal: bool

    @property
    def short(self) -> str:
        return f"{self.who} {self.verb} {self.what}"

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """(words, kind of name), in order."""
        kind = FIRM if self.is_deal else PLACE
        return ((self.who, PERSON), (self.verb, NO_NAME), (self.what, kind), (f"in {self.when}", NO_NAME))

    @property
    def sentence(self) -> str:
        return " ".join(words for words, _ in self.parts)

    @property
    def questions(self) -> tuple[tuple[str, str], ...]:
        """(question, answer): of the person, the month, and the place or the firm."""
        what = f"which firm was {self.verb}" if self.is_deal else f"which place was {self.verb}"
        return ((f"who {self.verb} something ?", self.who), ("when was that ?", self.when), (f"{what} ?", self.what))


@dataclass(frozen=True)
class Report:
    """One event among remarks that say nothing of it."""

    event: Event
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(f"{sentence} ." for sentence in self.sentences)


def event(random: Random) -> Event:
    first = random.choice(FIRST_NAMES)
    who = f"{first} {random.choice(LAST_NAMES)}" if random.random() < 0.4 else first
    is_deal = random.random() < 0.5
    verb, what = (
        (random.choice(DEALS), random.choice(FIRMS)) if is_deal else (random.choice(ACTIONS), random.choice(PLACES))
    )
    return Event(who, verb, what, random.choice(MONTHS), is_deal)


def report(random: Random) -> Report:
    """An event with one or two remarks, in any order."""
    happened = event(random)
    sentences = [happened.sentence, *random.sample(ASIDES, random.randint(1, 2))]
    random.shuffle(sentences)
    return Report(happened, tuple(sentences))


def tagged(report: Report) -> tuple[list[str], list[int]]:
    """The words of a report, and the number in `TAGS` of each."""
    words: list[str] = []
    tags: list[int] = []
    for sentence in report.sentences:
        parts = report.event.parts if sentence == report.event.sentence else ((sentence, NO_NAME),)
        for text, kind in (*parts, (".", NO_NAME)):
            for place, word in enumerate(text.split()):
                words.append(word)
                tags.append(TAGS.index(NO_NAME if kind == NO_NAME else f"{'I' if place else 'B'}-{kind}"))
    return words, tags


def words() -> tuple[str, ...]:
    """All words that can occur, each once."""
    names = (*FIRST_NAMES, *LAST_NAMES, *PLACES, *FIRMS, *MONTHS, *ACTIONS, *DEALS, *ASIDES)
    asked = "who when which firm place was something that in ? ."
    return tuple(dict.fromkeys(word for text in (*names, asked) for word in text.split()))


def asked(random: Random) -> tuple[str, str]:
    """A question, and a report that has the answer."""
    told = report(random)
    return random.choice(told.event.questions)[0], told.text


def sorted_text(random: Random) -> tuple[tuple[str, str], int]:
    """A question and a report, and what is asked for: a person, a month, a place or a firm."""
    told = report(random)
    number = random.randrange(len(told.event.questions))
    return (told.event.questions[number][0], told.text), number + (told.event.is_deal and number == 2)
