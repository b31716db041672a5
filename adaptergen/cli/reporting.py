"""How do people and machines see what happened? Problems, diffs, changes and progress."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from adaptergen.cli.formats import described
from adaptergen.problems import Location, Problem, ProblemsFound


if TYPE_CHECKING:
    from adaptergen.changes import ChangeSet
    from adaptergen.pipeline import Integration

T = TypeVar("T")
WRONG_USAGE = ("bad-name", "unknown-model", "no-project")
COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@contextmanager
def reported(as_json: bool) -> Iterator[dict[str, Any]]:
    """Show every problem at once and end with its exit code; anything else is our own defect and may crash.

    What the command had to tell before it failed belongs into the dictionary: JSON is one document in any case.
    """
    told: dict[str, Any] = {}
    try:
        yield told
    except ProblemsFound as found:
        if as_json:
            echo_json({**told, "problems": [described(problem) for problem in found.problems]})
        else:
            echo_problems(found.problems)
        sys.exit(exit_code(found.problems))


def exit_code(problems: Sequence[Problem]) -> int:
    """2 if the command was given something that cannot be, else 1."""
    return 2 if any(problem.code in WRONG_USAGE for problem in problems) else 1


def echo_json(document: object) -> None:
    click.echo(json.dumps(document, indent=2))


def echo_diff(text: str) -> None:
    """A diff, coloured on a terminal, which nothing in it can steer."""
    for line in text.splitlines():
        click.secho(_seen(line), fg=None if line.startswith(("+++", "---")) else COLOURS.get(line[:1]))


def _seen(line: str) -> str:
    """On a terminal, what would steer it is shown instead; files and pipes get every line as it is."""
    if not sys.stdout.isatty():
        return line
    return "".join(sign if sign.isprintable() or sign == "\t" else repr(sign)[1:-1] for sign in line)


def echo_written(changes: ChangeSet, integrations: Sequence[Integration], *, dry_run: bool) -> None:
    """The changes, or their diff, and what was refused, which is not part of the diff."""
    if dry_run:
        echo_diff(changes.diff())
    elif not changes:
        click.echo("nothing to change")
    else:
        for change in changes:
            click.echo(f"{change.kind:<7} {change.path}")
    for model, method, reason in _refusals(integrations):
        click.echo(f"{model}: no {method}: {reason}", err=dry_run)


def written_as_json(changes: ChangeSet, integrations: Sequence[Integration], *, dry_run: bool) -> dict[str, Any]:
    return {
        "written": not dry_run,
        "changes": [{"path": change.path, "change": change.kind} for change in changes],
        "refused": [
            {"model": model, "method": method, "because": reason} for model, method, reason in _refusals(integrations)
        ],
    }


def _refusals(integrations: Sequence[Integration]) -> list[tuple[str, str, str]]:
    """(model, method, reason) of every method that a model cannot take."""
    return [
        (made.plan.name, method, support.because)
        for made in integrations
        for method, support in made.plan.methods.items()
        if not support.supported
    ]


def write_file(path: Path, text: str, option: str) -> None:
    """Write a file that was asked for by an option.

    Raises:
        ProblemsFound: there can be no such file.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        message, fix = (
            f"cannot be written: {error.strerror or error}",
            f"give {option} a file in a folder that is there",
        )
        raise ProblemsFound(Problem("not-written", message, Location(str(path)), fix)) from error


def progress(items: Iterable[T], label: str, shown: Callable[[T], str] = str, *, length: int) -> Iterator[T]:
    """The items as they come, with a bar on a terminal when there are several."""
    if length < 2 or not sys.stderr.isatty():
        yield from items
        return

    def show(item: T | None) -> str:
        return "" if item is None else shown(item)

    with click.progressbar(items, length=length, label=label, file=sys.stderr, item_show_func=show) as bar:
        yield from bar


def echo_problems(problems: Sequence[Problem], shown: Callable[[Problem], str] = str) -> None:
    for problem in problems:
        click.echo(shown(problem), err=True)
    if len(problems) > 1:
        click.echo(f"{len(problems)} problems", err=True)
