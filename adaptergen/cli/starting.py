"""The command that makes a project: init."""

from __future__ import annotations

import re
from pathlib import Path

import click

from adaptergen.cli.group import json_option
from adaptergen.cli.reporting import echo_json, reported
from adaptergen.problems import ProblemsFound


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option("--package", help="Import name of its package; by default that of the folder.")
@click.option("--tests", default="tests", show_default=True, help="Folder of its tests.")
@click.option("--docs", default="docs", show_default=True, help="Folder of its pages.")
@json_option
@click.pass_obj
def init(folder: Path, directory: Path, package: str | None, tests: str, docs: str, as_json: bool) -> None:
    """Make a project in DIR that uses adaptergen: a package with the runtime, tests, pages and CI.

    \b
    adaptergen init my_adapters
    adaptergen init adapters --package acme.adapters --tests checks
    adaptergen -C my_adapters add-model gpt_neo
    """
    from adaptergen.changes import Change, ChangeSet
    from adaptergen.new_project import NewProject, in_the_way
    from adaptergen.settings import Settings, checked_settings
    from adaptergen.workspace import Workspace

    with reported(as_json):
        target = folder / directory
        name = package or re.sub(r"\W", "_", target.resolve().name).lower()
        settings = checked_settings(Settings(name, tests, docs))
        files = NewProject(name.replace(".", "-").replace("_", "-"), settings).files()
        if problems := in_the_way(target, files):
            raise ProblemsFound(*problems)
        target.mkdir(parents=True, exist_ok=True)
        changes = ChangeSet.of(*(Change(path, None, text) for path, text in files.items()))
        Workspace(target.resolve(), settings).apply(changes)
        if as_json:
            echo_json({"project": str(target), "files": sorted(files), "problems": []})
        else:
            click.echo(f"{len(files)} files in {target}; next: cd {target} && adaptergen add-model gpt_neo")
