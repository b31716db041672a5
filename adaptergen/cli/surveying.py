"""The command that looks at every architecture: survey."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from adaptergen.cli.group import optional_names_argument
from adaptergen.cli.proving import require_torch
from adaptergen.cli.reporting import reported
from adaptergen.problems import Problem, ProblemsFound


if TYPE_CHECKING:
    from adaptergen.surveying.judging import Proof
    from adaptergen.surveying.proving import Limits
    from adaptergen.surveying.record import Survey
    from adaptergen.upstream import Upstream
    from adaptergen.workspace import Workspace

T = TypeVar("T")


@click.command()
@optional_names_argument
@click.option(
    "--source-tree", "tree", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another transformers: a checkout of it, or the folder of its package.",
)  # fmt: skip
@click.option("--json", "json_file", metavar="FILE", help='Write everything that was found there ("-": print it).')
@click.option("--reasons", is_flag=True, help="Print the reasons that keep the most architectures out.")
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
    folder: Path, names: tuple[str, ...], tree: Path | None, json_file: str | None, reasons: bool, jobs: int | None,
    verify: bool, restart: bool, timeout: float, memory: float, log: Path | None, fail_unproven: bool,
) -> None:  # fmt: skip
    """Which architectures of transformers can take which adapters, and if not, why not.

    Without NAMEs it looks at all of them, which takes minutes. With --verify each is run, too, in a process of its
    own, which takes hours; what is in the file of --json and still holds is not run again.

    \b
    adaptergen survey --reasons
    adaptergen survey gpt_neo clip --verify
    adaptergen survey --verify --json survey.json --log failures
    """
    from adaptergen.surveying.proving import Limits
    from adaptergen.surveying.record import Survey, written

    if verify and tree:
        raise click.UsageError("--verify runs the installed transformers, not another source tree")
    with reported(False):
        upstream, workspace = _upstream(tree), _project(folder)
        chosen = tuple(dict.fromkeys(map(upstream.folder_of, names))) or upstream.folders
        earlier = _earlier(json_file, Survey(upstream.version))
        kept = Survey(upstream.version) if restart else earlier
        found = _with_analyses(kept, chosen, upstream, workspace, jobs, prepare=verify)
        store = _storing(json_file, earlier if names else Survey(upstream.version))
        store(found)
        if verify:
            found = _verified(found, workspace, jobs, Limits(timeout, memory), store, log)
        if json_file == "-":
            click.echo(written(found), nl=False)
        else:
            _echo_tables(found, explain=bool(names), reasons=reasons)
        _complain(found, fail_unproven=fail_unproven)


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


def _earlier(json_file: str | None, nothing: Survey) -> Survey:
    """What an earlier run has left, if it was of the same transformers."""
    from adaptergen.surveying.record import read
    from adaptergen.text_files import read_text

    if not json_file or json_file == "-" or not Path(json_file).exists():
        return nothing
    found = read(read_text(Path(json_file), json_file), json_file)
    return found if found.transformers == nothing.transformers else nothing


def _storing(json_file: str | None, others: Survey) -> Callable[[Survey], None]:
    """What writes a survey into the file, beside others that are in it."""
    from adaptergen.surveying.record import store

    if not json_file or json_file == "-":
        return lambda survey: None
    return lambda survey: store(others.with_architectures(survey.architectures), Path(json_file))


def _with_analyses(
    kept: Survey,
    names: Sequence[str],
    upstream: Upstream,
    workspace: Workspace | None,
    jobs: int | None,
    *,
    prepare: bool,
) -> Survey:
    """These architectures as they are now, with the proofs of those that are as they were."""
    from adaptergen.surveying.proving import preload
    from adaptergen.surveying.record import Survey
    from adaptergen.surveying.resuming import with_known_proofs
    from adaptergen.surveying.workers import cores, surveyed

    if prepare:
        require_torch()
        preload()
    looked_at = surveyed(names, upstream, workspace, jobs or cores())
    with _counting(looked_at, len(names), "analysing", lambda each: each.name) as found:
        return Survey(upstream.version).with_architectures(with_known_proofs(found, kept.architectures))


def _verified(
    found: Survey,
    workspace: Workspace | None,
    jobs: int | None,
    limits: Limits,
    store: Callable[[Survey], None],
    log: Path | None,
) -> Survey:
    """Run everything whose proof is missing; each result is stored when it is there."""
    from adaptergen.surveying.judging import judged
    from adaptergen.surveying.proving import proofs
    from adaptergen.surveying.resuming import is_proven_throughout
    from adaptergen.surveying.workers import cores

    pending = {each.name: each for each in found.architectures if not is_proven_throughout(each)}
    run = proofs(list(pending), jobs or cores(), limits, workspace.root if workspace else None)
    with _counting(run, len(pending), "running", lambda item: item[0]) as results:
        for name, proof in results:
            found = found.with_architectures([judged(pending[name], proof)])
            store(found)
            _write_log(log, name, proof)
    return found


@contextmanager
def _counting(items: Iterable[T], length: int, label: str, shown: Callable[[T], str]) -> Iterator[Iterable[T]]:
    """The items as they come, with a bar on a terminal when there are several."""
    if length < 2 or not sys.stderr.isatty():
        yield items
        return

    def show(item: T | None) -> str:
        return "" if item is None else shown(item)

    with click.progressbar(items, length=length, label=label, file=sys.stderr, item_show_func=show) as bar:
        yield bar


def _write_log(log: Path | None, name: str, proof: Proof) -> None:
    """Everything that failed, with tracebacks; nothing if nothing did."""
    failed = [outcome for outcome in proof.outcomes if outcome.failure]
    if log is None or not (failed or proof.ended):
        return
    log.mkdir(parents=True, exist_ok=True)
    parts = [f"{each.method or 'without adapters'}, {each.check}: {each.failure}\n\n{each.trace}" for each in failed]
    ended = [f"{proof.ended}\n"] if proof.ended else []
    (log / f"{name}.txt").write_text("\n".join([*ended, *parts]), encoding="utf-8")


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
