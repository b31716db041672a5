"""How does a picture get onto a page of the docs? A directive for Sphinx, which draws it from the plan at build time.

.. adapter-picture:: gpt_neo

It needs a project around the pages, and `adaptergen.picture.sphinx` among the extensions of `conf.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from adaptergen.picture.composing import picture_of
from adaptergen.picture.svg import as_part_of_page
from adaptergen.plan import IntegrationPlan
from adaptergen.problems import Problem, ProblemsFound
from adaptergen.source import SourceModule
from adaptergen.sources import source_of
from adaptergen.upstream import installed_transformers
from adaptergen.workspace import Workspace, find_workspace


class AdapterPicture(SphinxDirective):
    """The picture of a model of the project. A page that has it is written again when the plan has changed."""

    required_arguments = 1

    def run(self) -> list[Any]:
        name = self.arguments[0]
        try:
            workspace = find_workspace(Path(self.env.srcdir))
            drawn = drawn_for_page(name, workspace)
        except ProblemsFound as found:
            raise self.error(f"no picture of {name}: {found}") from found
        self.env.note_dependency(str(workspace.path(workspace.settings.plan_path(name))))
        return [nodes.raw("", drawn, format="html")]


def drawn_for_page(name: str, workspace: Workspace) -> str:
    """The picture of a model of a project, as HTML.

    Raises:
        ProblemsFound: the project has no such model, or its plan or upstream's file cannot be read.
    """
    plan = workspace.plan(name)
    if plan is None:
        fix = f"it has: {', '.join(workspace.names()) or 'none'}"
        raise ProblemsFound(Problem("unknown-model", f"this project has no model '{name}'", fix=fix))
    return as_part_of_page(picture_of(plan, _source(plan, workspace)))


def _source(plan: IntegrationPlan, workspace: Workspace) -> SourceModule | None:
    """Upstream's file, if the picture needs it: the order of additions in modules below a layer is not in the plan."""
    if not any(place.host for layer in plan.layers for place in layer.bottleneck):
        return None
    return source_of(plan, workspace.root, installed_transformers())


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("adapter-picture", AdapterPicture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
