"""Commands that only look: plan, diff, list."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from adaptergen.cli.group import json_option, name_argument
from adaptergen.cli.project import integrate_name, opened, opened_upstream
from adaptergen.cli.reporting import echo_diff, echo_json, reported, write_file


@click.command()
@name_argument
@json_option
@click.pass_obj
def plan(folder: Path, name: str, as_json: bool) -> None:
    """Print the plan that would be written for NAME; nothing is written.

    \b
    adaptergen plan gpt_neo
    adaptergen plan gpt_neo --json | jq .methods
    """
    import msgspec

    from adaptergen.plan_file import dump

    with reported(as_json):
        workspace, upstream = opened(folder)
        made = integrate_name(workspace, upstream, name).plan
        if as_json:
            echo_json(msgspec.to_builtins(made))
        else:
            click.echo(dump(made), nl=False)


@click.command()
@name_argument
@click.option("--upstream", "of_upstream", is_flag=True, help="What was changed in the code borrowed from upstream.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page for a browser: what --upstream shows side by side, each edit with its reason.",
)  # fmt: skip
@click.pass_obj
def diff(folder: Path, name: str, of_upstream: bool, html: Path | None) -> None:
    """Show what `update NAME` would change, or with --upstream what differs from transformers' own file.

    Without --upstream and --html it exits with 1 when an update would change something.

    \b
    adaptergen diff gpt_neo
    adaptergen diff gpt_neo --upstream
    adaptergen diff gpt_neo --html gpt_neo.html
    """
    from adaptergen.pipeline import change_set
    from adaptergen.side_by_side import side_by_side
    from adaptergen.upstream_diff import upstream_diff

    with reported(False):
        workspace, upstream = opened(folder)
        made = integrate_name(workspace, upstream, name)
        if html:
            write_file(html, side_by_side(made.plan, made.source, made.borrowed.edits), "--html")
        if of_upstream:
            echo_diff(upstream_diff(made.source, made.borrowed.edits))
        if of_upstream or html:
            return
        changes = change_set(workspace, [made])
        echo_diff(changes.diff())
        sys.exit(1 if changes else 0)


@click.command("list")
@click.option("--available", is_flag=True, help="Every architecture of the installed transformers instead.")
@json_option
@click.pass_obj
def list_models(folder: Path, available: bool, as_json: bool) -> None:
    """List the models of the project with the methods that they support.

    \b
    adaptergen list
    adaptergen list --available
    """
    from adaptergen.plan import METHODS
    from adaptergen.workspace import find_workspace

    with reported(as_json):
        workspace = find_workspace(folder)
        if available:
            _echo_names(opened_upstream().folders, as_json)
            return
        supported = {
            made.name: {method: made.methods[method].supported for method in METHODS} for made in workspace.plans()
        }
        if as_json:
            echo_json(supported)
            return
        width = max(map(len, supported), default=0)
        for name, methods in supported.items():
            click.echo(f"{name:<{width}}  {', '.join(method for method in METHODS if methods[method])}")


def _echo_names(names: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        echo_json(list(names))
    else:
        click.echo("\n".join(names))
