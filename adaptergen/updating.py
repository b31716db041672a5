"""What becomes of each architecture when its plan is made again, against another transformers or other templates?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from adaptergen.pipeline import Integration, integrate
from adaptergen.plan import Decision, IntegrationPlan
from adaptergen.plan_differences import Difference, count_moved, differences, entries_by_hand
from adaptergen.problems import Problem, ProblemsFound
from adaptergen.sources import model_of
from adaptergen.upstream import Upstream
from adaptergen.workspace import Workspace


class Fate(Enum):
    UNCHANGED = "unchanged"  # upstream's file and the plan are what they were
    REGENERATED = "regenerated"  # upstream's file is another, the plan decides the same
    REPLANNED = "replanned"  # the plan decides something else
    NEEDS_A_PERSON = "needs a person"  # it cannot be planned, and stays as it is


@dataclass(frozen=True)
class Update:
    """
    One architecture.

    Args:
        previous: its plan as it stands in the project.
        made: what it becomes; `None` if it needs a person.
        differences: what the plan decides otherwise than before.
        moved: how many entries of the plan are the same and stand at another line.
        by_hand: what a person has decided, which still holds: (what it is for, entry).
        problems: why it needs a person.
    """

    previous: IntegrationPlan
    fate: Fate
    made: Integration | None = None
    differences: tuple[Difference, ...] = ()
    moved: int = 0
    by_hand: tuple[tuple[str, Decision], ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        return self.previous.name


def integrated_again(previous: IntegrationPlan, workspace: Workspace, upstream: Upstream) -> Integration:
    """From where its plan says, around what hands wrote into the plan.

    Raises:
        ProblemsFound: its file is gone or not understood, or an entry by hand fits nothing in it.
    """
    return integrate(model_of(previous, workspace.root, upstream), upstream, previous, previous.source.path)


def updated(previous: IntegrationPlan, workspace: Workspace, upstream: Upstream) -> Update:
    """An architecture of the project, planned again."""
    try:
        made = integrated_again(previous, workspace, upstream)
    except ProblemsFound as found:
        return Update(previous, Fate.NEEDS_A_PERSON, problems=found.problems)
    found_differences = differences(previous, made.plan)
    return Update(
        previous,
        Fate.REPLANNED if found_differences else _fate_of_source(previous, made.plan),
        made,
        found_differences,
        count_moved(previous, made.plan),
        entries_by_hand(made.plan),
    )


def _fate_of_source(before: IntegrationPlan, after: IntegrationPlan) -> Fate:
    return Fate.UNCHANGED if before.source.sha256 == after.source.sha256 else Fate.REGENERATED
