"""The whole story on one screen: a name → source → facts → plan → borrowed classes and templates → change set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from adaptergen.analysis import analyse
from adaptergen.changes import Change, ChangeSet, Owner
from adaptergen.plan import IntegrationPlan, SourceRecord
from adaptergen.plan_file import dump
from adaptergen.planning import make_plan
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.rendering import Templates
from adaptergen.rendering.regions import replace_region
from adaptergen.source import SourceModule
from adaptergen.transforms import Borrowed, borrow_classes
from adaptergen.transforms.anchors import anchored_again
from adaptergen.upstream import Upstream, UpstreamModel
from adaptergen.workspace import Workspace


@dataclass(frozen=True)
class Integration:
    """One architecture, decided and borrowed, not yet written."""

    plan: IntegrationPlan
    source: SourceModule
    borrowed: Borrowed


def integrate(
    model: UpstreamModel, upstream: Upstream, previous: IntegrationPlan | None = None, path: str = ""
) -> Integration:
    """Read one upstream model and decide what to add; hand-written entries of a previous plan are kept.

    Raises:
        ProblemsFound: it is not a model that is understood, or an entry fits nothing in it.
    """
    try:
        facts = analyse(model, upstream.load)
    except RecursionError as error:
        message, fix = "nested too deeply to be followed", "take the deepest expression of the file apart"
        raise ProblemsFound(Problem("too-deep", message, Location(model.modeling.path), fix)) from error
    record = SourceRecord(model.modeling.name, upstream.version, model.modeling.sha256, path)
    planned = make_plan(facts, record, previous)
    return integrated(anchored_again(planned, model.modeling), model.modeling)


def integrated(plan: IntegrationPlan, source: SourceModule) -> Integration:
    """A plan as it stands, carried out on its source."""
    return Integration(plan, source, borrow_classes(source, plan))


def change_set(workspace: Workspace, integrations: Iterable[Integration], removed: Iterable[str] = ()) -> ChangeSet:
    """Every file of these models, and every region, which is computed from all plans of the project."""
    templates = Templates(workspace.templates, workspace.settings)
    integrations = list(integrations)
    gone = set(removed)
    plans = {plan.name: plan for plan in workspace.plans(besides=gone)}
    plans.update({integration.plan.name: integration.plan for integration in integrations})
    _refuse_two_owners(workspace, plans.values())
    return ChangeSet.of(
        *(change for integration in integrations for change in model_changes(workspace, templates, integration)),
        *(change for name in sorted(gone) for change in _removals(workspace, templates, name)),
        *_region_changes(workspace, templates, list(plans.values())),
    )


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


def _region_changes(workspace: Workspace, templates: Templates, plans: list[IntegrationPlan]) -> list[Change]:
    """One change per file that has regions; the regions of a file are replaced one after the other."""
    texts: dict[str, str] = {}
    befores: dict[str, str] = {}
    problems: list[Problem] = []
    for region, body in templates.regions(plans):
        path = workspace.settings.placed(region.path)
        before = befores.setdefault(path, workspace.read(path) or "")
        try:
            texts[path] = replace_region(texts.get(path, before), region, body, path)
        except ProblemsFound as found:
            problems.extend(found.problems)
    if problems:
        raise ProblemsFound(*problems)
    return [Change(path, befores[path], text, Owner.PEOPLE) for path, text in texts.items()]


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
