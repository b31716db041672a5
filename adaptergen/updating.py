"""What becomes of each architecture when its plan is made again, against another transformers or other templates?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from adaptergen.pipeline import Integration, integrate
from adaptergen.plan import Decision, IntegrationPlan
from adaptergen.plan_differences import Difference, count_moved, differences, entries_by_hand
from adaptergen.problems import Problem, ProblemsFound
from adaptergen.processes import shared_out
from adaptergen.sources import model_of
from adaptergen.upstream import Upstream, upstream_at
from adaptergen.workspace import Workspace, workspace_at


class Fate(Enum):
    UNCHANGED = "unchanged"  # upstream's file and the plan are what they were
    REGENERATED = "regenerated"  # upstream's file or a text of the plan is another, the plan decides the same
    REPLANNED = "replanned"  # the plan decides something else
    NEEDS_A_PERSON = "needs a person"  # it cannot be planned, and stays as it is


class Update(Struct, frozen=True):
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
        Fate.REPLANNED if found_differences else _fate_of_same(previous, made.plan),
        made,
        found_differences,
        count_moved(previous, made.plan),
        entries_by_hand(made.plan),
    )


def all_updated(
    plans: Sequence[IntegrationPlan], workspace: Workspace, upstream: Upstream, jobs: int
) -> Iterator[Update]:
    """These architectures, in the order in which they are done.

    Args:
        jobs: in how many processes.
    """
    here = partial(updated, workspace=workspace, upstream=upstream)
    elsewhere = partial(_updated_in, root=workspace.root, tree=upstream.root)
    yield from shared_out(here if jobs == 1 else elsewhere, plans, jobs)


def _updated_in(previous: IntegrationPlan, root: Path, tree: Path) -> Update:
    """By what can go from one process to another."""
    return updated(previous, workspace_at(root), upstream_at(tree))


def _fate_of_same(before: IntegrationPlan, after: IntegrationPlan) -> Fate:
    """Of a plan that decides the same: the file may be that of another transformers."""
    is_same = before.source.sha256 == after.source.sha256 and replace(before, source=after.source) == after
    return Fate.UNCHANGED if is_same else Fate.REGENERATED
