"""How are new architectures told to those who review them? As the description of a pull request, in reading order.

What was decided comes first, then what that changes in upstream's code, the files, and the proof.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import click
import jinja2

from adaptergen.changes import Change, ChangeSet
from adaptergen.hunks import Hunk, hunks
from adaptergen.picture import as_tree, picture_of
from adaptergen.pipeline import Integration
from adaptergen.plan_differences import entries_by_hand
from adaptergen.proven import Proven, as_markdown
from adaptergen.rendering.environment import environment
from adaptergen.settings import Settings


LONGEST = 65_000  # characters: GitHub takes 65,536


def pull_request(
    made: Sequence[Integration], changes: ChangeSet, settings: Settings, proven: Sequence[Proven] = ()
) -> str:
    """
    Markdown that GitHub takes: without the changes of upstream's code where it would be too long with them.

    Args:
        made: the architectures, at least one.
        proven: of running them; none if they were not run.
    """
    names = " ".join(integration.plan.name for integration in made)
    told = {
        "names": names,
        "models": [_model(integration, settings) for integration in made],
        "changes": [(change.path, change.kind, *_lines(change)) for change in changes],
        "proof": as_markdown(proven, f"adaptergen verify {names}"),
    }
    text = _template().render(told, is_short=False)
    return text if len(text) <= LONGEST else _template().render(told, is_short=True)


def _model(made: Integration, settings: Settings) -> Mapping[str, object]:
    plan = made.plan
    return {
        "plan": plan,
        "plan_path": settings.plan_path(plan.name),
        "tree": _fenced(click.unstyle(as_tree(picture_of(plan, made.source))), "text"),
        "by_hand": entries_by_hand(plan),
        "hunks": [
            (hunk, _reasons(hunk), _fenced(_diff(hunk), "diff")) for hunk in hunks(made.source, made.borrowed.edits)
        ],
    }


def _reasons(hunk: Hunk) -> list[str]:
    return list(dict.fromkeys(passage.because for passage in hunk.passages if passage.because))


def _diff(hunk: Hunk) -> str:
    """The lines of a hunk as a diff has them: of each edit, first those that go, then those that come."""
    lines: list[str] = []
    for passage in hunk.passages:
        if not any(row.is_changed for row in passage.rows):
            lines += [f" {row.left}" for row in passage.rows]
            continue
        lines += [f"-{row.left}" for row in passage.rows if row.left is not None]
        lines += [f"+{row.right}" for row in passage.rows if row.right is not None]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _fenced(text: str, language: str) -> str:
    """A block of code that no line of the text ends."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}{language}\n{text}{fence}"


def _lines(change: Change) -> tuple[int, int]:
    """How many lines come and how many go."""
    signs = [line[:1] for line in change.diff().splitlines()[2:]]  # behind the names of both files
    return signs.count("+"), signs.count("-")


@cache
def _template() -> jinja2.Template:
    return environment(Path(__file__).parent).get_template("body.md.jinja")
