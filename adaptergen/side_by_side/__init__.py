"""What was changed in borrowed code, as a page: upstream on the left, ours on the right, each edit with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2

from adaptergen.hunks import hunks
from adaptergen.plan import IntegrationPlan
from adaptergen.rendering.environment import environment
from adaptergen.source import SourceModule
from adaptergen.transforms.edits import Edit


def side_by_side(plan: IntegrationPlan, source: SourceModule, edits: Sequence[Edit]) -> str:
    """A page that needs no other file, and no script."""
    return _template().render(plan=plan, path=source.path, hunks=tuple(hunks(source, edits)), count=len(edits))


@cache
def _template() -> jinja2.Template:
    return environment(Path(__file__).parent).overlay(autoescape=True).get_template("page.html.jinja")
