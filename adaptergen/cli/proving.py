"""Commands that judge what is there: check and verify."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from adaptergen.cli.formats import FORMATS, as_line
from adaptergen.cli.group import all_option, json_option, optional_models_argument
from adaptergen.cli.project import chosen_names, opened
from adaptergen.cli.reporting import echo_json, echo_problems, exit_code, reported
from adaptergen.garbage import collected_as_usual
from adaptergen.problems import Problem, ProblemsFound


if TYPE_CHECKING:
    from adaptergen.proven import Proven
    from adaptergen.workspace import Workspace

FEW = 4  # models that are looked at before other processes have started


@click.command()
@optional_models_argument
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True,
    help="One line per problem, commands for GitHub's pages, JSON, or SARIF for code scanning.",
)  # fmt: skip
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@click.pass_obj
def check(folder: Path, names: tuple[str, ...], form: str) -> None:
    """Fail if a generated file, test, page, table row or registry entry is missing, edited or stale.

    It ends with 0 if all is as it should be, with 1 if not, and with 2 if it was given something that cannot be.

    \b
    adaptergen check
    adaptergen check gpt_neo bert
    adaptergen check --format sarif > adaptergen.sarif
    """
    from adaptergen.checking import check as find_problems
    from adaptergen.processes import cores

    try:
        workspace, upstream = opened(folder)
        few = len(names or workspace.names()) <= FEW
        problems = find_problems(workspace, upstream, names, jobs=1 if few else cores())
    except ProblemsFound as found:  # nothing could be checked
        _fail(found.problems, form, str)
    if problems:
        _fail(problems, form, as_line)
    checked = list(names or workspace.names())
    if form == "json":
        echo_json({"models": checked, "problems": []})
    elif form == "text":
        click.echo(f"{len(checked)} {'model is' if len(checked) == 1 else 'models are'} as adaptergen writes them")
    else:
        click.echo(FORMATS[form](()), nl=False)


def _fail(problems: Sequence[Problem], form: str, shown: Callable[[Problem], str]) -> NoReturn:
    """Tell the problems, as text in the way that is given, and end."""
    if form == "text":
        echo_problems(problems, shown)
    else:
        click.echo(FORMATS[form](problems), nl=False)
    sys.exit(exit_code(problems))


@click.command()
@optional_models_argument
@all_option
@json_option
@click.pass_obj
def verify(folder: Path, names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Build a tiny model of each NAME and prove its integration right by running it (needs torch).

    \b
    adaptergen verify gpt_neo
    adaptergen verify --all
    """
    with reported(as_json) as told:
        workspace, _ = opened(folder)
        told["models"] = list(chosen_names(workspace, names, everything))
        if problems := broken(prove(workspace, told["models"], told)):
            raise ProblemsFound(*problems)
        if as_json:
            echo_json({**told, "problems": []})


def prove(workspace: Workspace, names: Sequence[str], told: dict[str, Any]) -> list[Proven]:
    """Run every check of these models, with a line of progress for each class, and tell what came of it.

    Raises:
        ProblemsFound: there is no torch.
    """
    require_torch()
    from adaptergen.proven import as_json
    from adaptergen.verify import verify_models

    with collected_as_usual():
        proven = verify_models(workspace, names, echo=lambda text: click.echo(text, err=True))
    told["proof"] = as_json(proven)
    return proven


def broken(proven: Sequence[Proven]) -> list[Problem]:
    """Every promise that is not kept."""
    return [problem for each in proven for problem in each.problems]


def require_torch(otherwise: str = "") -> None:
    """
    Args:
        otherwise: how the command does without running models, if it can.

    Raises:
        ProblemsFound: there is no torch to run models with.
    """
    if find_spec("torch") is None:
        fix = ", or ".join(filter(None, ("pip install torch", otherwise)))
        raise ProblemsFound(Problem("no-torch", "models cannot be run: torch is not installed", fix=fix))
