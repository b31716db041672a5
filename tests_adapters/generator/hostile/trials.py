"""Drive a mutant from its file to all that is made of it, and judge.

Either it is refused, with a problem that says where, or everything that is rendered is sound; and where what was
changed means nothing, the decisions are those about the file as it was.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import FrameType

from adaptergen.picture import as_svg, as_tree, picture_of
from adaptergen.pipeline import Integration
from adaptergen.plan_file import dump
from adaptergen.problems import ProblemsFound
from adaptergen.rendering import Templates
from adaptergen.settings import Settings
from adaptergen.side_by_side import side_by_side
from adaptergen.upstream_diff import upstream_diff
from tests_adapters.generator.hostile import grammar, harmless, memory, noise
from tests_adapters.generator.hostile.decisions import decisions
from tests_adapters.generator.hostile.judging import defects
from tests_adapters.generator.hostile.originals import Original, cases, small_files, unharmed


SECONDS = 10.0  # of the processor: a busy machine makes nobody guilty
MEMORY = 256 * 2**20  # bytes beyond those that the process has; most mutants take a hundredth
KINDS = {"mangled": 65, "rewritten": 25, "damaged": 10}  # how often each is drawn, of a hundred
INSTALLED = 0.05  # how often a file of transformers is taken, and not that of a case
CONFIGURATIONS = 0.1  # how often it is the configuration that is mangled, and not the modeling file
TEMPLATES = Path(__file__).parents[3] / "templates"


@dataclass(frozen=True)
class Mutant:
    """
    Attributes:
        text: of its modeling file, or of its configuration.
        done: what was done to it, in words.
        means_the_same: nothing that runs takes notice of it.
    """

    kind: str
    original: Original
    text: bytes
    done: str
    is_configuration: bool = False

    @property
    def means_the_same(self) -> bool:
        return self.kind == "rewritten"

    def integrated(self) -> Integration:
        """
        Raises:
            ProblemsFound: it is refused.
        """
        if self.is_configuration:
            return self.original.integrated(configuration=self.text)
        return self.original.integrated(self.text)


@dataclass(frozen=True)
class Outcome:
    """
    Attributes:
        refusal: the message, if it was refused.
        defect: what happened that must not happen, or "".
        memory: bytes that it took.
    """

    mutant: Mutant
    refusal: str = ""
    defect: str = ""
    memory: int = 0


class TookTooLong(BaseException):
    """Nothing on trial catches it."""


def mutant(seed: int, number: int) -> Mutant:
    """The same for the same numbers."""
    draw = random.Random(f"{seed} {number}")
    kind = draw.choices(list(KINDS), list(KINDS.values()))[0]
    original = draw.choice(small_files() if draw.random() < INSTALLED else cases())
    beside = original.configuration
    is_configuration = beside is not None and random.Random(f"file {seed} {number}").random() < CONFIGURATIONS
    before = beside if beside is not None and is_configuration else original.modeling
    if kind == "damaged":
        return Mutant(kind, original, *noise.damaged(before.encode(), draw), is_configuration)
    text, done = (grammar.mangled if kind == "mangled" else harmless.rewritten)(before, draw)
    return Mutant(kind, original, text.encode(errors="surrogatepass"), done, is_configuration)


def trial(seed: int, number: int) -> Outcome:
    return judged(mutant(seed, number))


def judged(tried: Mutant) -> Outcome:
    before = unharmed(tried.original) if tried.means_the_same else None
    since = memory.start_counting()
    outcome = _judged(tried, before)
    taken = memory.most(since)
    defect = outcome.defect or (f"it took {taken >> 20} MB" if taken > MEMORY else "")
    return replace(outcome, defect=defect, memory=taken)


def _judged(tried: Mutant, before: Integration | ProblemsFound | None) -> Outcome:
    started = time.process_time()
    try:
        with limited(SECONDS):
            made = tried.integrated()
            defect = next(_defects(made), "")
    except ProblemsFound as found:
        return Outcome(tried, str(found), _badly_refused(found, before))
    except TookTooLong:
        return Outcome(tried, defect=f"it took more than {SECONDS} seconds")
    except Exception as error:
        return Outcome(tried, defect=f"{type(error).__name__}: {error}"[:500])
    if not defect and before is not None:
        defect = _decided_otherwise(made, before)
    if not defect and time.process_time() - started > SECONDS:
        defect = f"it took more than {SECONDS} seconds"
    return Outcome(tried, defect=defect)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """What hangs is ended, where signals can end it."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def end(signum: int, frame: FrameType | None) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@cache
def _templates() -> Templates:
    return Templates(TEMPLATES, Settings())


def _defects(made: Integration) -> Iterator[str]:
    """Everything that any command makes of it is made first."""
    templates = _templates()
    texts = templates.render(made.plan, made.borrowed, made.source.text)
    texts["plan.toml"] = dump(made.plan)
    regions = {region.name: body for region, body in templates.regions([made.plan])}
    picture = picture_of(made.plan, made.source)
    shown = (as_tree(picture), as_svg(picture), upstream_diff(made.source, made.borrowed.edits))
    page = side_by_side(made.plan, made.source, made.borrowed.edits)
    "".join((*shown, page)).encode()
    yield from defects(made, texts, regions)


def _badly_refused(found: ProblemsFound, before: Integration | ProblemsFound | None) -> str:
    if any(problem.at is None or not problem.message for problem in found.problems):
        return f"the refusal does not say where: {found}"
    if any(problem.code == "not-reversible" for problem in found.problems):
        return f"what was made could not be undone: {found}"
    if isinstance(before, Integration):
        return f"it means the same, and is refused: {found}"
    return ""


def _decided_otherwise(made: Integration, before: Integration | ProblemsFound) -> str:
    if isinstance(before, ProblemsFound):
        return "it means the same as what is refused, and is not"
    told, known = decisions(made.plan), decisions(before.plan)
    other = sorted(place for place in told.keys() | known.keys() if told.get(place) != known.get(place))
    if not other:
        return ""
    of_each = "; ".join(f"{place}: {told.get(place)!r} for {known.get(place)!r}" for place in other[:6])
    return f"it means the same, and is decided otherwise: {of_each}"
