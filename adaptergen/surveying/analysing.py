"""What can one architecture take? It is analysed and planned as `adaptergen add-model` would; nothing is run."""

from __future__ import annotations

from collections.abc import Mapping

from adaptergen.pipeline import integrate
from adaptergen.plan import IntegrationPlan
from adaptergen.plan_file import dump
from adaptergen.problems import ProblemsFound
from adaptergen.surveying.kinds import Kind, kind_of
from adaptergen.surveying.record import OTHER_ROWS, PARALLEL, Architecture, Cell, refused
from adaptergen.surveying.resuming import deciding_folders, key_of
from adaptergen.upstream import Upstream
from adaptergen.workspace import Workspace


def survey_one(name: str, upstream: Upstream, workspace: Workspace | None) -> Architecture:
    """The architecture of a folder; a plan of the project with entries of hands is kept to."""
    model = upstream.find(name)
    kind = kind_of(model.modeling.parsed, upstream.auto_tasks)
    previous = workspace.plan(model.name) if workspace else None
    try:
        made = integrate(model, upstream, previous)
    except ProblemsFound as found:
        return Architecture(model.name, kind, refused(_reason(kind, found)))
    except Exception as error:  # one architecture that adaptergen fails on must not hide the others
        return Architecture(model.name, kind, refused(f"adaptergen itself fails: {error!r}"))
    key = key_of(dump(made.plan), made.borrowed.code, deciding_folders(workspace, composed=bool(made.plan.sub_models)))
    return Architecture(model.name, kind, _cells(made.plan), key)


def _reason(kind: Kind, found: ProblemsFound) -> str:
    if kind.group == "no_attention":
        return "has no attention"
    return "; ".join(
        f"{problem.message} ({_file_name(str(problem.at))})" if problem.at else problem.message
        for problem in found.problems
    )


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]


def _cells(plan: IntegrationPlan) -> Mapping[str, Cell]:
    cells = {method: Cell(support.supported, support.because) for method, support in plan.methods.items()}
    return {**cells, PARALLEL: _parallel(cells) if plan.keeps_rows else Cell(False, OTHER_ROWS)}


def _parallel(cells: Mapping[str, Cell]) -> Cell:
    """Whether examples of one batch can have adapters of their own: what changes the length of the input cannot."""
    able = [method for method, cell in cells.items() if cell.supported and method != "prompt_tuning"]
    if not able:
        return Cell(False, "no method that acts on rows is supported")
    return Cell(True, f"every row of a batch can have its own adapter, with {', '.join(able)}")
