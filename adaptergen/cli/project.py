"""What commands start from: the project, the installed transformers, and the integration of a name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from adaptergen.cli.reporting import progress
from adaptergen.problems import Problem, ProblemsFound


if TYPE_CHECKING:
    from adaptergen.pipeline import Integration
    from adaptergen.upstream import Upstream
    from adaptergen.workspace import Workspace

T = TypeVar("T")


def opened(folder: Path, tree: Path | None = None, *, may_be_newer: bool = True) -> tuple[Workspace, Upstream]:
    """The project of a folder, and the transformers in another one, or the installed one.

    Raises:
        ProblemsFound: there is no project, or no such transformers that is supported.
    """
    from adaptergen.workspace import find_workspace

    return find_workspace(folder), opened_upstream(tree, may_be_newer=may_be_newer)


def opened_upstream(tree: Path | None = None, *, may_be_newer: bool = True) -> Upstream:
    """The transformers in a folder, or the installed one.

    Args:
        may_be_newer: people are warned of a release that is newer than all that are supported, and it is used.

    Raises:
        ProblemsFound: there is none, or it is not supported.
    """
    from adaptergen.supported import too_new, too_old

    upstream = any_upstream(tree)
    old, new = too_old(upstream), too_new(upstream)
    if old or (new and not may_be_newer):
        raise ProblemsFound(*filter(None, (old, new)))
    if new:
        click.echo(f"warning: {new.message}", err=True)
    return upstream


def any_upstream(tree: Path | None) -> Upstream:
    """The transformers in a folder, or the installed one, whichever release it is.

    Raises:
        ProblemsFound: there is none.
    """
    from adaptergen.upstream import installed_transformers, transformers_in

    return transformers_in(tree) if tree else installed_transformers()


def known_models(workspace: Workspace, names: Iterable[str]) -> tuple[str, ...]:
    """The folders of models that are given by folder or model type, each once.

    Raises:
        ProblemsFound: the project has no model of one of these names.
    """
    found = {name: workspace.model_named(name) for name in names}
    fix = f"it has: {', '.join(workspace.names()) or 'none'}"
    problems = [
        Problem("unknown-model", f"this project has no model '{name}'", fix=fix)
        for name, folder in found.items()
        if folder is None
    ]
    if problems:
        raise ProblemsFound(*problems)
    return tuple(dict.fromkeys(folder for folder in found.values() if folder))


def chosen_names(workspace: Workspace, names: Sequence[str], everything: bool) -> tuple[str, ...]:
    """The models that a command is about.

    Raises:
        click.UsageError: neither names nor --all are given, or both.
        ProblemsFound: the project has no model of one of these names.
    """
    if bool(names) == everything:
        raise click.UsageError("give either NAMEs or --all")
    return workspace.names() if everything else known_models(workspace, names)


def integrate_all(
    workspace: Workspace, upstream: Upstream, names: Sequence[str], source: Path | None = None
) -> list[Integration]:
    """Each model once, also if it is named twice.

    Raises:
        ProblemsFound: all that is wrong with all of them.
    """
    made = each_of(names, lambda name: integrate_name(workspace, upstream, name, source))
    return list({one.plan.name: one for one in made}.values())


def each_of(names: Sequence[str], make: Callable[[str], T]) -> list[T]:
    """What is made of each name.

    Raises:
        ProblemsFound: all that is wrong with all of them.
    """
    made: list[T] = []
    problems: list[Problem] = []
    for name in progress(names, "analysing", length=len(names)):
        try:
            made.append(make(name))
        except ProblemsFound as found:
            problems.extend(found.problems)
    if problems:
        raise ProblemsFound(*problems)
    return made


def integrate_name(workspace: Workspace, upstream: Upstream, name: str, source: Path | None = None) -> Integration:
    """A model from a given file, from where its plan says, or of the installed transformers.

    It is planned afresh around what hands wrote into an earlier plan.
    """
    from adaptergen.naming import folder_name
    from adaptergen.pipeline import integrate
    from adaptergen.sources import given_model, relative_path

    folder = workspace.model_named(name) or folder_name(name)
    previous = workspace.plan(folder)
    if source is not None:
        model, path = given_model(source, folder, upstream), relative_path(source, workspace.root, upstream)
    elif previous is not None:
        from adaptergen.updating import integrated_again

        return integrated_again(previous, workspace, upstream)
    else:
        model, path = upstream.find(name), ""
    return integrate(model, upstream, previous or workspace.plan(model.name), path)
