"""The command that looks at every architecture: survey."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adaptergen.cli.group import optional_names_argument
from adaptergen.cli.reporting import reported
from adaptergen.problems import ProblemsFound


if TYPE_CHECKING:
    from adaptergen.surveying.record import Architecture, Survey
    from adaptergen.upstream import Upstream
    from adaptergen.workspace import Workspace


@click.command()
@optional_names_argument
@click.option(
    "--source-tree", "tree", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another transformers: a checkout of it, or the folder of its package.",
)  # fmt: skip
@click.option("--json", "json_file", metavar="FILE", help='Write everything that was found there ("-": print it).')
@click.option("--reasons", is_flag=True, help="Print the reasons that keep the most architectures out.")
@click.option("--jobs", type=click.IntRange(1), help="Processes at a time.  [default: one per core]")
@click.pass_obj
def survey(
    folder: Path, names: tuple[str, ...], tree: Path | None, json_file: str | None, reasons: bool, jobs: int | None
) -> None:
    """Which architectures of transformers can take which adapters, and if not, why not.

    Without NAMEs it looks at all of them, which takes minutes.

    \b
    adaptergen survey
    adaptergen survey gpt_neo clip
    adaptergen survey --json survey.json --reasons
    """
    from adaptergen.surveying.record import Survey, written

    with reported(False):
        upstream = _upstream(tree)
        chosen = tuple(dict.fromkeys(map(upstream.folder_of, names))) or upstream.folders
        found = Survey(upstream.version).with_architectures(_analysed(chosen, upstream, _project(folder), jobs))
        if json_file == "-":
            click.echo(written(found), nl=False)
            return
        if json_file:
            Path(json_file).write_text(written(found), encoding="utf-8")
        _echo_tables(found, explain=bool(names), reasons=reasons)


def _upstream(tree: Path | None) -> Upstream:
    from adaptergen.upstream import installed_transformers, transformers_in

    return transformers_in(tree) if tree else installed_transformers()


def _project(folder: Path) -> Workspace | None:
    """The project whose plans count, if the command is given in one."""
    from adaptergen.workspace import find_workspace

    try:
        return find_workspace(folder)
    except ProblemsFound as found:
        if any(problem.code != "no-project" for problem in found.problems):
            raise
        return None


def _analysed(
    names: tuple[str, ...], upstream: Upstream, workspace: Workspace | None, jobs: int | None
) -> Iterator[Architecture]:
    from adaptergen.surveying.workers import cores, surveyed

    found = surveyed(names, upstream, workspace, jobs or cores())
    if len(names) < 2 or not sys.stderr.isatty():
        yield from found
        return
    with click.progressbar(found, length=len(names), label="analysing", file=sys.stderr, item_show_func=_name) as bar:
        yield from bar


def _name(each: Architecture | None) -> str:
    return each.name if each else ""


def _echo_tables(found: Survey, *, explain: bool, reasons: bool) -> None:
    from adaptergen.surveying.table import architecture_table, reason_table, summary_table

    click.echo(f"transformers {found.transformers}\n")
    if not explain:
        click.echo(summary_table(found))
    click.echo(architecture_table(found.architectures, explain=explain), nl=False)
    if reasons:
        click.echo(f"\n{reason_table(found.counted)}", nl=False)
