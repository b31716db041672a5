"""The command that looks at every architecture: survey."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adaptergen.cli.group import optional_names_argument, shard_option
from adaptergen.cli.project import opened_upstream
from adaptergen.cli.reporting import reported, write_file
from adaptergen.cli.survey_runs import analysed, verified
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.shares import WHOLE, Share


if TYPE_CHECKING:
    from adaptergen.surveying.record import Survey
    from adaptergen.workspace import Workspace


@click.command()
@optional_names_argument
@click.option(
    "--source-tree", "tree", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another transformers: a checkout of it, or the folder of its package.",
)  # fmt: skip
@click.option("--json", "json_file", metavar="FILE", help='Write everything that was found there ("-": print it).')
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page for a browser, with filters."
)
@click.option("--reasons", is_flag=True, help="Print the reasons that keep the most architectures out.")
@click.option("--write", is_flag=True, help="Write coverage.json of the project, its page, and the README's numbers.")
@click.option("--check", is_flag=True, help="Fail if coverage.json of the project does not say what is found.")
@shard_option
@click.option(
    "--merge", "parts", type=click.Path(exists=True, dir_okay=False, path_type=Path), multiple=True,
    help="Look at nothing, and put together what several machines wrote with --json; once for each file.",
)  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), help="Processes at a time.  [default: one per core]")
@click.option("--verify", is_flag=True, help="Run what is supported, one form of each method (needs torch).")
@click.option("--restart", is_flag=True, help="Run again what an earlier run has left in the file of --json.")
@click.option("--timeout", default=300.0, show_default=True, help="Seconds to run one architecture.")
@click.option("--memory", default=8.0, show_default=True, help="GiB of address space to run one architecture.")
@click.option(
    "--log", type=click.Path(file_okay=False, path_type=Path),
    help="Write the failures of each architecture to a file in this folder.",
)  # fmt: skip
@click.option("--fail-unproven", is_flag=True, help="Exit with 1, too, if something supported was not run.")
@click.pass_obj
def survey(
    folder: Path, names: tuple[str, ...], tree: Path | None, json_file: str | None, html: Path | None, reasons: bool,
    write: bool, check: bool, shard: Share, parts: tuple[Path, ...], jobs: int | None, verify: bool, restart: bool,
    timeout: float, memory: float, log: Path | None, fail_unproven: bool,
) -> None:  # fmt: skip
    """Which architectures of transformers can take which adapters, and if not, why not.

    Without NAMEs it looks at all of them, which takes minutes. With --verify each is run, too, in a process of its
    own, which takes an hour or more; what is in the file of --json, or in coverage.json with --write, and still holds
    is not run again.

    \b
    adaptergen survey --reasons
    adaptergen survey gpt_neo clip --verify
    adaptergen survey --verify --json survey.json --html survey.html --log failures
    adaptergen survey --verify --shard 2/8 --json 2.json
    adaptergen survey --merge parts/1.json --merge parts/2.json --write
    """
    from adaptergen.surveying.merging import merged
    from adaptergen.surveying.proving import Limits
    from adaptergen.surveying.record import written
    from adaptergen.surveying.storing import opened_store

    if tree and (verify or write or check):
        raise click.UsageError("--verify, --write and --check are about the installed transformers, not another")
    if write and (json_file or check):
        raise click.UsageError("--write has a file of its own: it goes without --json and --check")
    if parts and (names or shard != WHOLE or verify or check):
        raise click.UsageError("--merge looks at nothing: it goes without NAMEs, --shard, --verify and --check")
    with reported(False):
        upstream, workspace = opened_upstream(tree), _project(folder, is_needed=write or check)
        chosen = shard.of(tuple(dict.fromkeys(map(upstream.folder_of, names))) or upstream.folders)
        is_partial = bool(names) or shard != WHOLE
        store = opened_store(_file(json_file, workspace if write else None), upstream.version, is_partial=is_partial)
        earlier = () if restart else store.earlier.architectures
        if parts:
            found = merged(parts, upstream.version, upstream.folders)
        else:
            found = analysed(chosen, upstream, workspace, jobs, earlier, verify)
        if check:
            _compare(workspace, found)
            return
        if verify:
            store.save(found)
            found = verified(found, workspace, jobs, Limits(timeout, memory), store.save, log)
        everything = store.joined(found)
        if workspace and write:
            _commit(workspace, everything)
        else:
            store.save(found)
        if html:
            _write_page(html, everything, workspace)
        if json_file == "-":
            click.echo(written(found), nl=False)
        else:
            _echo_tables(found, explain=bool(names), reasons=reasons)
        _complain(found, fail_unproven=fail_unproven)


def _project(folder: Path, *, is_needed: bool) -> Workspace | None:
    """The project whose plans count, if the command is given in one."""
    from adaptergen.workspace import find_workspace

    try:
        return find_workspace(folder)
    except ProblemsFound as found:
        if is_needed or any(problem.code != "no-project" for problem in found.problems):
            raise
        return None


def _file(json_file: str | None, project: Workspace | None) -> Path | None:
    """Where the survey is kept: in the project whose coverage is written, or in the file that is given."""
    from adaptergen.surveying.coverage import coverage_path

    if project is not None:
        return project.path(coverage_path(project))
    return Path(json_file) if json_file and json_file != "-" else None


def _compare(workspace: Workspace | None, found: Survey) -> None:
    """
    Raises:
        ProblemsFound: the project has no coverage, or it says something else.
    """
    from adaptergen.surveying.coverage import WRITE, committed, coverage_path, differences

    assert workspace is not None
    survey = committed(workspace)
    if survey is None:
        at = Location(coverage_path(workspace))
        raise ProblemsFound(Problem("no-coverage", "the project has no survey", at, WRITE))
    problems = differences(survey, found)
    if problems:
        raise ProblemsFound(*problems)
    click.echo(f"{len(found.architectures)} architectures are as {coverage_path(workspace)} says")


def _commit(workspace: Workspace, everything: Survey) -> None:
    """The files of the project. What people have in them stays: only regions are written."""
    from adaptergen.changes import ChangeSet
    from adaptergen.surveying.coverage import coverage_changes

    workspace.apply(ChangeSet.of(*coverage_changes(workspace, everything)), force=True)


def _write_page(html: Path, everything: Survey, workspace: Workspace | None) -> None:
    from adaptergen.surveying.pages import browser_page

    write_file(html, browser_page(everything, _plans(workspace, html.parent)), "--html")


def _plans(workspace: Workspace | None, folder: Path) -> dict[str, str]:
    """The plans of the project, by their addresses as seen from a folder."""
    if workspace is None:
        return {}
    paths = {name: workspace.path(workspace.settings.plan_path(name)) for name in workspace.names()}
    return {name: Path(os.path.relpath(path, folder.resolve())).as_posix() for name, path in paths.items()}


def _echo_tables(found: Survey, *, explain: bool, reasons: bool) -> None:
    from adaptergen.surveying.table import architecture_table, reason_table, summary_table

    click.echo(f"transformers {found.transformers}\n")
    if not explain:
        click.echo(summary_table(found))
    click.echo(architecture_table(found.architectures, explain=explain), nl=False)
    if reasons:
        click.echo(f"\n{reason_table(found.counted)}", nl=False)


def _complain(found: Survey, *, fail_unproven: bool) -> None:
    """
    Raises:
        ProblemsFound: something that is called supported failed, or must have been run and was not.
    """
    failed: dict[tuple[str, str], list[str]] = {}
    for name, method, because in found.failures:
        failed.setdefault((name, because), []).append(method)
    problems = [
        Problem("not-right", f"{name}, {', '.join(methods)}: {because}", fix=f"adaptergen plan {name}")
        for (name, because), methods in failed.items()
    ]
    if fail_unproven:
        fix = "run `adaptergen survey --verify`"
        problems += [
            Problem("not-proven", f"{name}, {method}: was not run", fix=fix) for name, method in found.unproven
        ]
    if problems:
        raise ProblemsFound(*problems)
