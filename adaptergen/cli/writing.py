"""Commands that change the project: add-model, update, remove-model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adaptergen.cli.group import (
    all_option,
    dry_run_option,
    force_option,
    json_option,
    names_argument,
    optional_names_argument,
    verify_option,
)
from adaptergen.cli.project import chosen_names, integrate_name, opened, require_known
from adaptergen.cli.proving import prove, require_torch
from adaptergen.cli.reporting import changes_as_json, echo_changes, echo_json, progress, refusals, reported


if TYPE_CHECKING:
    from adaptergen.pipeline import Integration
    from adaptergen.workspace import Workspace


@click.command("add-model")
@names_argument
@click.option(
    "--source", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take this modeling file instead of the installed one.",
)  # fmt: skip
@dry_run_option
@verify_option
@force_option
@json_option
@click.pass_obj
def add_model(
    folder: Path, names: tuple[str, ...], source: Path | None, dry_run: bool, verify: bool, force: bool, as_json: bool
) -> None:
    """Write the integration of each NAME, a model folder or model type of transformers.

    \b
    adaptergen add-model gpt_neo
    adaptergen add-model bert llama --dry-run
    adaptergen add-model mymodel --source src/modeling_mymodel.py --no-verify
    """
    if source is not None and len(names) > 1:
        raise click.UsageError("--source takes exactly one NAME")
    with reported(as_json):
        workspace, upstream = opened(folder)
        made = [integrate_name(workspace, upstream, name, source) for name in progress(names, "analysing")]
        _finish(workspace, made, dry_run=dry_run, verify=verify, force=force, as_json=as_json)


@click.command()
@optional_names_argument
@all_option
@dry_run_option
@verify_option
@force_option
@json_option
@click.pass_obj
def update(
    folder: Path, names: tuple[str, ...], everything: bool, dry_run: bool, verify: bool, force: bool, as_json: bool
) -> None:
    """Plan and write models again: after an edited plan, a changed template or a new transformers.

    \b
    adaptergen update gpt_neo
    adaptergen update --all --no-verify
    """
    with reported(as_json):
        workspace, upstream = opened(folder)
        chosen = chosen_names(workspace, names, everything)
        made = [integrate_name(workspace, upstream, name) for name in progress(chosen, "analysing")]
        _finish(workspace, made, dry_run=dry_run, verify=verify, force=force, as_json=as_json)


@click.command("remove-model")
@names_argument
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

    with reported(as_json):
        workspace, _ = opened(folder)
        require_known(workspace, names)
        changes = change_set(workspace, (), names)
        if not dry_run:
            workspace.apply(changes, force=force)
        if as_json:
            echo_json(changes_as_json(changes, dry_run=dry_run))
        else:
            echo_changes(changes, dry_run=dry_run)


def _finish(
    workspace: Workspace, made: Sequence[Integration], *, dry_run: bool, verify: bool, force: bool, as_json: bool
) -> None:
    """Write, show what was written and what was refused, and prove it."""
    from adaptergen.pipeline import change_set

    if verify and not dry_run:
        require_torch()
    changes = change_set(workspace, made)
    if not dry_run:
        workspace.apply(changes, force=force)
    refused = refusals(made)
    if as_json:
        listed = [{"model": model, "method": method, "because": reason} for model, method, reason in refused]
        echo_json({**changes_as_json(changes, dry_run=dry_run), "refused": listed})
    else:
        echo_changes(changes, dry_run=dry_run)
        for model, method, reason in refused:
            click.echo(f"{model}: no {method}: {reason}", err=dry_run)
    if verify and not dry_run:
        prove(workspace, [one.plan.name for one in made])
