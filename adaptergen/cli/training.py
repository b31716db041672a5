"""The command that trains: train-example."""

from __future__ import annotations

from pathlib import Path

import click

from adaptergen.cli.completion import models_of_project
from adaptergen.cli.group import json_option
from adaptergen.cli.project import known_models, opened
from adaptergen.cli.proving import require_torch
from adaptergen.cli.reporting import echo_json, reported
from adaptergen.garbage import collected_as_usual
from adaptergen.problems import Location


@click.command("train-example")
@click.argument("name", shell_complete=models_of_project)
@click.option("--adapter", default="", help="Its configuration; by default the first method that NAME takes.")
@click.option("--steps", type=click.IntRange(min=1), default=100, show_default=True, help="How long it is trained.")
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Folder for the adapter; by default it is not kept.",
)  # fmt: skip
@json_option
@click.pass_obj
def train_example(folder: Path, name: str, adapter: str, steps: int, output: Path | None, as_json: bool) -> None:
    """Train an adapter of NAME on the task that suits it, with a tiny model and made-up data (needs torch).

    What is written is read into a new model, whose loss must be the same.

    \b
    adaptergen train-example bert
    adaptergen train-example whisper --adapter lora[r=4] --output adapters/speech
    """
    import sys

    import msgspec

    with reported(as_json):
        workspace, _ = opened(folder)
        (model,) = known_models(workspace, [name])
        plan, at = workspace.plan(model), Location(workspace.settings.plan_path(model))
        assert plan is not None
        require_torch()
        sys.path.insert(0, str(workspace.root))
        from adaptergen.verify.example import Wanted, train_example

        wanted = Wanted(adapter, steps, output)
        with collected_as_usual():
            made = train_example(plan, workspace.settings.package, wanted, at, lambda text: click.echo(text, err=True))
        if as_json:
            echo_json({**msgspec.to_builtins(made), "problems": []})
            return
        share = 100 * made.trained / made.parameters
        first, *_, last = made.losses.values()
        click.echo(f"trained: {made.trained:,} of {made.parameters:,} weights ({share:.2f} %)")
        click.echo(f"loss: {first:.4f} before, {last:.4f} after, {made.loaded:.4f} read from files")
        if output:
            click.echo(f"written: {output}")
