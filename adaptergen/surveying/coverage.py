"""The survey that a project commits: what is computed from it, and is it one of this project and transformers?

adapter_docs/coverage.json     what was found
adapter_docs/coverage.md       the page that it gives
README.md                      its numbers, in a region, if there is one
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from adaptergen.changes import Change, Owner
from adaptergen.plan import METHODS, IntegrationPlan
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.rendering.regions import Region, replace_region
from adaptergen.surveying.pages import docs_page, readme_summary
from adaptergen.surveying.record import Architecture, Survey, read, written
from adaptergen.surveying.resuming import with_known_proofs
from adaptergen.upstream import Upstream
from adaptergen.workspace import Workspace


README = Region("coverage", "README.md")
WRITE = "adaptergen survey --write"


def coverage_path(workspace: Workspace) -> str:
    return f"{workspace.settings.docs}/coverage.json"


def committed(workspace: Workspace) -> Survey | None:
    """The survey of the project, if it has one.

    Raises:
        ProblemsFound: the file is not a survey.
    """
    path = coverage_path(workspace)
    text = workspace.read(path)
    return None if text is None else read(text, path)


def coverage_changes(workspace: Workspace, survey: Survey) -> list[Change]:
    """Everything that is written for a survey.

    Raises:
        ProblemsFound: the region of the README is damaged.
    """
    page = docs_page(survey)
    changes = [
        workspace.change(coverage_path(workspace), written(survey)),
        workspace.change(f"{workspace.settings.docs}/coverage.md", page),
    ]
    readme = workspace.read(README.path)
    if readme is not None and f"adaptergen: begin {README.name}" in readme:
        text = replace_region(readme, README, readme_summary(survey), README.path)
        changes.append(Change(README.path, readme, text, Owner.PEOPLE))
    return changes


def coverage_problems(workspace: Workspace, upstream: Upstream, plans: Iterable[IntegrationPlan]) -> list[Problem]:
    """What can be seen without looking at the architectures again; see `differences` for the rest."""
    try:
        survey = committed(workspace)
        if survey is None:
            return []
        changes = coverage_changes(workspace, survey)
    except ProblemsFound as found:
        return list(found.problems)
    at = Location(coverage_path(workspace))
    problems = [
        Problem("stale-coverage", "is not what coverage.json gives", Location(change.path), WRITE)
        for change in changes
        if change.before != change.after
    ]
    problems += [Problem("stale-coverage", message, at, WRITE) for message in _contradictions(survey, upstream, plans)]
    return problems


def _contradictions(survey: Survey, upstream: Upstream, plans: Iterable[IntegrationPlan]) -> Iterator[str]:
    if survey.transformers != upstream.version:
        yield f"is about transformers {survey.transformers}, and {upstream.version} is installed"
        return
    found = {each.name: each for each in survey.architectures}
    if missing := sorted(set(upstream.folders) - found.keys()):
        yield f"says nothing of {', '.join(missing)}"
    if gone := sorted(found.keys() - set(upstream.folders)):
        yield f"tells of {', '.join(gone)}, which transformers does not have"
    for plan in plans:
        each = found.get(plan.name)
        differ = [m for m in METHODS if each and each.methods[m].supported != plan.methods[m].supported]
        if differ:
            yield f"does not say what the plan of {plan.name} says of {', '.join(differ)}"


def differences(survey: Survey, fresh: Survey) -> list[Problem]:
    """What a survey says of architectures that were looked at again, and is not so any more.

    A proof is one of the plan, the checks and the runtime that it was made with.
    """
    before = {each.name: each for each in survey.architectures}
    problems = []
    for each in with_known_proofs(fresh.architectures, survey.architectures):
        known = before.get(each.name)
        what = "is missing" if known is None else _difference(known, each)
        if what:
            problems.append(Problem("stale-coverage", f"{each.name}: {what}", fix=f"{WRITE} {each.name}"))
    return problems


def _difference(known: Architecture, each: Architecture) -> str:
    if known.kind != each.kind:
        return "is of another kind"
    methods = [m for m, cell in each.methods.items() if known.methods[m].supported != cell.supported]
    if methods:
        return f"support of {', '.join(methods)} has changed"
    reasons = [m for m, cell in each.methods.items() if not cell.supported and known.methods[m] != cell]
    if reasons:
        return f"the reason against {', '.join(reasons)} has changed"
    return "what was run is not what would be run now" if known.was_run and known.key != each.key else ""
