"""What commands start from: the project, the installed transformers, and the integration of a name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adaptergen.problems import Problem, ProblemsFound


if TYPE_CHECKING:
    from adaptergen.pipeline import Integration
    from adaptergen.upstream import Upstream
    from adaptergen.workspace import Workspace


def opened(folder: Path) -> tuple[Workspace, Upstream]:
    from adaptergen.upstream import installed_transformers
    from adaptergen.workspace import find_workspace

    return find_workspace(folder), installed_transformers()


def require_known(workspace: Workspace, names: Sequence[str]) -> None:
    """
    Raises:
        ProblemsFound: the project has no model of one of these names.
    """
    from adaptergen.naming import checked_name

    known = workspace.names()
    unknown = [name for name in names if checked_name(name) not in known]
    if unknown:
        fix = f"it has: {', '.join(known) or 'none'}"
        raise ProblemsFound(
            *(Problem("unknown-model", f"this project has no model '{name}'", fix=fix) for name in unknown)
        )


def chosen_names(workspace: Workspace, names: Sequence[str], everything: bool) -> Sequence[str]:
    """The models that a command is about.

    Raises:
        click.UsageError: neither names nor --all are given, or both.
        ProblemsFound: the project has no model of one of these names.
    """
    if bool(names) == everything:
        raise click.UsageError("give either NAMEs or --all")
    require_known(workspace, names)
    return workspace.names() if everything else names


def integrate_name(workspace: Workspace, upstream: Upstream, name: str, source: Path | None = None) -> Integration:
    """A model from a given file, from where its plan says, or of the installed transformers.

    It is planned afresh around what hands wrote into an earlier plan.
    """
    from adaptergen.naming import checked_name
    from adaptergen.pipeline import integrate
    from adaptergen.sources import given_model, model_of, relative_path

    folder = checked_name(name.replace("-", "_").lower())
    previous = workspace.plan(folder)
    if source is not None:
        model, path = given_model(source, folder, upstream), relative_path(source, workspace.root, upstream)
    elif previous is not None:
        model, path = model_of(previous, workspace.root, upstream), previous.source.path
    else:
        model, path = upstream.find(name), ""
    return integrate(model, upstream, previous or workspace.plan(model.name), path)
