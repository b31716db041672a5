"""The command that draws: show."""

from __future__ import annotations

import os
from pathlib import Path

import click

from adaptergen.cli.group import json_option, name_argument
from adaptergen.cli.project import integrate_name, opened
from adaptergen.cli.reporting import echo_json, reported, write_file


@click.command()
@name_argument
@click.option(
    "--svg", "svg_file", type=click.Path(dir_okay=False, allow_dash=True), metavar="FILE",
    help='Write the picture there as SVG ("-": print it).',
)  # fmt: skip
@json_option
@click.pass_obj
def show(folder: Path, name: str, svg_file: str | None, as_json: bool) -> None:
    """Draw where adapters sit in NAME: its layers, what adds to their states, every hook, and what is refused.

    \b
    adaptergen show gpt_neo
    adaptergen show gpt_neo --svg gpt_neo.svg
    """
    import msgspec

    from adaptergen.picture import as_svg, as_tree, picture_of

    if as_json and svg_file == "-":
        raise click.UsageError("--json and --svg - both print: give --svg a FILE")
    with reported(as_json):
        workspace, upstream = opened(folder)
        made = integrate_name(workspace, upstream, name)
        picture = picture_of(made.plan, made.source)
        if svg_file == "-":
            click.echo(as_svg(picture), nl=False)
            return
        if svg_file:
            write_file(Path(svg_file), as_svg(picture), "--svg")
        if as_json:
            echo_json(msgspec.to_builtins(picture))
        else:
            click.echo(as_tree(picture), nl=False, color=False if os.environ.get("NO_COLOR") else None)
