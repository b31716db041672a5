"""Commands that change the project: add-model and remove-model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adaptergen.cli.group import (
    dry_run_option,
    force_option,
    json_option,
    models_argument,
    names_argument,
    pr_body_option,
    verify_option,
)
from adaptergen.cli.project import any_upstream, each_of, integrate_all, known_models, opened
from adaptergen.cli.proving import broken, prove, require_torch
from adaptergen.cli.reporting import echo_json, echo_written, reported, write_file, written_as_json
from adaptergen.problems import ProblemsFound
from adaptergen.profiles import PROFILES


if TYPE_CHECKING:
    from adaptergen.changes import ChangeSet
    from adaptergen.pipeline import Integration
    from adaptergen.profiles.adapters_library import LibraryIntegration
    from adaptergen.proven import Proven
    from adaptergen.workspace import Workspace


@click.command("add-model")
@names_argument
@click.option(
    "--source", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take this modeling file instead of the installed one.",
)  # fmt: skip
@click.option("--profile", type=click.Choice(PROFILES), help="Write it for another library, in its own layout.")
@click.option(
    "--into", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The copy of that library that is written into: a checkout, or a folder with its package.",
)  # fmt: skip
@click.option(
    "--source-tree", "tree", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The transformers that the library runs on: a checkout, or the package.",
)  # fmt: skip
@pr_body_option
@dry_run_option
@verify_option
@force_option
@json_option
@click.pass_obj
def add_model(
    folder: Path,
    names: tuple[str, ...],
    source: Path | None,
    profile: str | None,
    into: Path | None,
    tree: Path | None,
    pr_body: Path | None,
    dry_run: bool,
    verify: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write the integration of each NAME, a model folder or model type of transformers.

    \b
    adaptergen add-model gpt_neo
    adaptergen add-model bert llama --dry-run
    adaptergen add-model gpt_neo --pr-body body.md
    adaptergen add-model mymodel --source src/modeling_mymodel.py --no-verify
    adaptergen add-model opt --profile adapters --into ../adapters --source-tree ../transformers
    """
    if source is not None and len(names) > 1:
        raise click.UsageError("--source takes exactly one NAME")
    if profile is not None:
        if into is None or source is not None or pr_body is not None:
            raise click.UsageError("--profile needs --into, and takes neither --source nor --pr-body")
        add_to_library(names, into, tree, dry_run=dry_run, force=force, as_json=as_json)
        return
    if into is not None or tree is not None:
        raise click.UsageError("--into and --source-tree are for --profile")
    from adaptergen.pipeline import change_set

    proving = verify and not dry_run
    with reported(as_json) as told:
        workspace, upstream = opened(folder, may_be_newer=False)
        made = integrate_all(workspace, upstream, names, source)
        changes = change_set(workspace, made)
        if proving:
            require_torch("pass --no-verify")
        if pr_body:
            _write_body(pr_body, made, changes, workspace)
        write(workspace, changes, made, told, dry_run=dry_run, force=force, as_json=as_json)
        if proving:
            proven = prove(workspace, [one.plan.name for one in made], told)
            if pr_body:
                _write_body(pr_body, made, changes, workspace, proven)
            if problems := broken(proven):
                raise ProblemsFound(*problems)
        if as_json:
            echo_json({**told, "problems": []})


def _write_body(
    path: Path, made: Sequence[Integration], changes: ChangeSet, workspace: Workspace, proven: Sequence[Proven] = ()
) -> None:
    from adaptergen.pull_request import pull_request

    write_file(path, pull_request(made, changes, workspace.settings, proven), "--pr-body")


def add_to_library(
    names: Sequence[str], into: Path, tree: Path | None, *, dry_run: bool, force: bool, as_json: bool
) -> None:
    """Write models into a copy of the library `adapters`, or show what would be written."""
    from adaptergen.pipeline import integrate
    from adaptergen.profiles.adapters_library import (
        check_transformers,
        find_checkout,
        library_changes,
        library_integration,
    )

    with reported(as_json):
        checkout = find_checkout(into)
        upstream = any_upstream(tree)
        check_transformers(upstream)

        def made(name: str) -> LibraryIntegration:
            return library_integration(integrate(upstream.find(name), upstream), upstream, checkout)

        changes = library_changes(checkout, {one.plan.name: one for one in each_of(names, made)}.values())
        if not dry_run:
            checkout.workspace.apply(changes, force=force)
        if as_json:
            echo_json({**written_as_json(changes, (), dry_run=dry_run), "problems": []})
        else:
            echo_written(changes, (), dry_run=dry_run)


@click.command("remove-model")
@models_argument
@dry_run_option
@force_option
@json_option
@click.pass_obj
def remove_model(folder: Path, names: tuple[str, ...], dry_run: bool, force: bool, as_json: bool) -> None:
    """Remove each NAME: its files, and its lines in every region.

    \b
    adaptergen remove-model gpt_neo --dry-run
    """
    from adaptergen.pipeline import change_set
    from adaptergen.workspace import find_workspace

    with reported(as_json):
        workspace = find_workspace(folder)
        changes = change_set(workspace, (), known_models(workspace, names))
        if not dry_run:
            workspace.apply(changes, force=force)
        if as_json:
            echo_json({**written_as_json(changes, (), dry_run=dry_run), "problems": []})
        else:
            echo_written(changes, (), dry_run=dry_run)


def write(
    workspace: Workspace,
    changes: ChangeSet,
    made: Sequence[Integration],
    told: dict[str, Any],
    *,
    dry_run: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write, and show what was written and what was refused.

    Raises:
        ProblemsFound: it cannot be written; nothing has changed.
    """
    if not dry_run:
        workspace.apply(changes, force=force)
    told.update(written_as_json(changes, made, dry_run=dry_run))
    if not as_json:
        echo_written(changes, made, dry_run=dry_run)
