"""The command that follows a new transformers, an edited plan or a changed template: update."""

from __future__ import annotations

from pathlib import Path

import click

from adaptergen.cli.group import (
    all_option,
    dry_run_option,
    force_option,
    json_option,
    optional_models_argument,
    pr_body_option,
    shard_option,
    verify_option,
)
from adaptergen.cli.project import chosen_names, opened
from adaptergen.cli.proving import FEW, broken, prove, require_torch
from adaptergen.cli.reporting import echo_json, progress, reported, write_file
from adaptergen.cli.writing import write
from adaptergen.problems import ProblemsFound
from adaptergen.shares import Share


@click.command()
@optional_models_argument
@all_option
@click.option(
    "--source-tree", "tree", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another transformers than the installed one, which alone can be run: a checkout, or the package.",
)  # fmt: skip
@pr_body_option
@shard_option
@click.option("--jobs", type=click.IntRange(1), help="Processes that plan.  [default: one per core, for many models]")
@dry_run_option
@verify_option
@force_option
@json_option
@click.pass_obj
def update(
    folder: Path,
    names: tuple[str, ...],
    everything: bool,
    tree: Path | None,
    pr_body: Path | None,
    shard: Share,
    jobs: int | None,
    dry_run: bool,
    verify: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Plan and write models again: after an edited plan, a changed template or a new transformers.

    Each is told to be unchanged, regenerated (upstream's text or a title or reason is another, the plan decides the
    same), replanned (the plan decides something else) or to need a person: then it stays as it is, the others are
    written, and the command ends with 1.

    \b
    adaptergen update gpt_neo
    adaptergen update --all --no-verify --pr-body body.md
    adaptergen update --all --shard 2/8
    """
    from adaptergen.pipeline import change_set
    from adaptergen.processes import cores
    from adaptergen.update_report import as_json as updates_as_json
    from adaptergen.update_report import pull_request, report
    from adaptergen.updating import all_updated

    with reported(as_json) as told:
        workspace, upstream = opened(folder, tree)
        chosen = set(chosen_names(workspace, names, everything))
        plans = shard.of([plan for plan in workspace.plans() if plan.name in chosen])
        planned = all_updated(plans, workspace, upstream, jobs or (1 if len(plans) <= FEW else cores()))
        done = {each.name: each for each in progress(planned, "planning", lambda each: each.name, length=len(plans))}
        updates = [done[plan.name] for plan in plans]
        told["models"] = updates_as_json(updates)
        made = [each.made for each in updates if each.made is not None]
        problems = [problem for each in updates for problem in each.problems]
        changes = change_set(workspace, made)
        proving = verify and bool(made) and not dry_run and tree is None
        if proving:
            require_torch("pass --no-verify")
        if pr_body:
            write_file(pr_body, pull_request(updates, upstream.version), "--pr-body")
        write(workspace, changes, made, told, dry_run=dry_run, force=force, as_json=as_json)
        if not as_json and (text := report(updates)):
            click.echo(text, err=dry_run)
        if proving:
            proven = prove(workspace, [one.plan.name for one in made], told)
            problems.extend(broken(proven))
            if pr_body:
                write_file(pr_body, pull_request(updates, upstream.version, proven), "--pr-body")
        if problems:
            raise ProblemsFound(*problems)
        if as_json:
            echo_json({**told, "problems": []})
