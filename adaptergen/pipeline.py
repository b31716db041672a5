"""The whole story on one screen: a name → source → facts → plan → borrowed classes and templates → change set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from msgspec import Struct
from msgspec.structs import replace

from adaptergen.analysis import analyse
from adaptergen.changes import Change, ChangeSet, Owner
from adaptergen.plan import IntegrationPlan, SourceRecord
from adaptergen.plan_file import dump, load
from adaptergen.planning import make_plan
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.rendering import Templates
from adaptergen.rendering.regions import REGIONS, replace_region
from adaptergen.source import SourceModule
from adaptergen.transaction import changed_meanwhile
from adaptergen.transforms import Borrowed, borrow_classes
from adaptergen.transforms.anchors import anchored_again
from adaptergen.upstream import Upstream, UpstreamModel
from adaptergen.workspace import Workspace


class Integration(Struct, frozen=True):
    """
    One architecture, decided and borrowed, not yet written.

    Args:
        previous: the plan that stood in the project, whose entries by hand were kept.
    """

    plan: IntegrationPlan
    source: SourceModule
    borrowed: Borrowed
    previous: IntegrationPlan | None = None


def integrate(
    model: UpstreamModel, upstream: Upstream, previous: IntegrationPlan | None = None, path: str = ""
) -> Integration:
    """Read one upstream model and decide what to add; hand-written entries of a previous plan are kept.

    Raises:
        ProblemsFound: it is not a model that is understood, or an entry fits nothing in it.
    """
    source = model.modeling
    record = SourceRecord(source.name, upstream.version, source.sha256, path)
    with _depth_told(source.path):
        planned = make_plan(analyse(model, upstream.load), record, previous)
        return replace(integrated(anchored_again(planned, source), source), previous=previous)


def integrated(plan: IntegrationPlan, source: SourceModule) -> Integration:
    """A plan as it stands, carried out on its source.

    Raises:
        ProblemsFound: it cannot be.
    """
    with _depth_told(source.path):
        return Integration(plan, source, borrow_classes(source, plan))


@contextmanager
def _depth_told(path: str) -> Iterator[None]:
    """
    Raises:
        ProblemsFound: what stands in the file is nested too deeply for Python to follow it.
    """
    try:
        yield
    except RecursionError as error:
        message, fix = "nested too deeply to be followed", "take the deepest expression of the file apart"
        raise ProblemsFound(Problem("too-deep", message, Location(path), fix)) from error


def change_set(workspace: Workspace, integrations: Iterable[Integration], removed: Iterable[str] = ()) -> ChangeSet:
    """Every file of these models, and every region, which is computed from all plans of the project.

    Raises:
        ProblemsFound: something of it cannot be made, or the plans are changing.
    """
    templates = Templates(workspace.templates, workspace.settings)
    integrations = list(integrations)
    region_files = _region_files(workspace)  # before the plans: who changes these later changes one of the files, too
    workspace.refuse_half_written()
    gone = set(removed)
    plans = {plan.name: plan for plan in workspace.plans(besides=gone)}
    plans.update({integration.plan.name: integration.plan for integration in integrations})
    _refuse_two_owners(workspace, plans.values())
    changes = ChangeSet.of(
        *(change for integration in integrations for change in model_changes(workspace, templates, integration)),
        *(change for name in sorted(gone) for change in _removals(workspace, templates, name)),
        *_region_changes(workspace, templates, list(plans.values()), region_files),
    )
    _refuse_edited_plans(workspace, integrations, changes)
    return changes


def model_changes(workspace: Workspace, templates: Templates, integration: Integration) -> list[Change]:
    """The files that are this model's alone."""
    plan = integration.plan
    texts = templates.render(plan, integration.borrowed, integration.source.text)
    texts[workspace.settings.plan_path(plan.name)] = dump(plan)
    folder = workspace.settings.model_folder(plan.name)
    stale = [path for path in workspace.files_below(folder) if path not in texts]
    return [
        *(workspace.change(path, text) for path, text in texts.items()),
        *(workspace.change(path, None) for path in stale),
    ]


def _removals(workspace: Workspace, templates: Templates, name: str) -> list[Change]:
    folder = workspace.settings.model_folder(name)
    paths = {*workspace.files_below(folder), *templates.output_paths(name)}
    return [workspace.change(path, None) for path in sorted(paths)]


def _region_files(workspace: Workspace) -> dict[str, str]:
    """Path → text of every file that has regions.

    Raises:
        ProblemsFound: all that is wrong with all of them.
    """
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for path in dict.fromkeys(workspace.settings.placed(region.path) for region in REGIONS):
        try:
            texts[path] = workspace.read(path) or ""
        except ProblemsFound as found:
            problems.extend(found.problems)
    if problems:
        raise ProblemsFound(*problems)
    return texts


def _region_changes(
    workspace: Workspace, templates: Templates, plans: list[IntegrationPlan], befores: Mapping[str, str]
) -> list[Change]:
    """One change per file that has regions; the regions of a file are replaced one after the other."""
    texts = dict(befores)
    problems: list[Problem] = []
    for region, body in templates.regions(plans):
        path = workspace.settings.placed(region.path)
        try:
            texts[path] = replace_region(texts[path], region, body, path)
        except ProblemsFound as found:
            problems.extend(found.problems)
    if problems:
        raise ProblemsFound(*problems)
    return [Change(path, befores[path], text, Owner.PEOPLE) for path, text in texts.items()]


def _refuse_edited_plans(workspace: Workspace, integrations: Iterable[Integration], changes: ChangeSet) -> None:
    """Nobody may have written a plan since it was read: what is about to be replaced must be what was planned from."""
    texts = {change.path: change.before for change in changes}
    paths = {workspace.settings.plan_path(one.plan.name): one.previous for one in integrations}
    edited = [path for path, previous in paths.items() if path in texts and _read(texts[path], path) != previous]
    if edited:
        raise ProblemsFound(*map(changed_meanwhile, edited))


def _read(text: str | None, path: str) -> IntegrationPlan | None:
    return None if text is None else load(text, path)


def _refuse_two_owners(workspace: Workspace, plans: Iterable[IntegrationPlan]) -> None:
    """Two plans must not claim one upstream module, one model type or one class name."""
    claimed: dict[str, str] = {}
    problems = []
    for plan in sorted(plans, key=lambda plan: plan.name):
        for claim in (plan.source.module, f"model type {plan.model_type}", plan.adapter_model.name):
            other = claimed.setdefault(claim, plan.name)
            if other != plan.name:
                message, at = f"{plan.name} and {other} both claim {claim}", workspace.settings.plan_path(plan.name)
                problems.append(Problem("two-plans", message, Location(at), f"adaptergen remove-model {other}"))
    if problems:
        raise ProblemsFound(*problems)
