"""How is every architecture looked at on all cores?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from adaptergen.processes import shared_out
from adaptergen.surveying.analysing import survey_one
from adaptergen.surveying.record import Architecture
from adaptergen.upstream import Upstream, upstream_at
from adaptergen.workspace import Workspace, workspace_at


def surveyed(
    names: Sequence[str], upstream: Upstream, workspace: Workspace | None, jobs: int
) -> Iterator[Architecture]:
    """What these folders can take, in the order in which they are done."""
    look = partial(_survey_one, root=upstream.root, project=workspace.root if workspace else None)
    yield from shared_out(look, names, jobs)


def _survey_one(name: str, root: Path, project: Path | None) -> Architecture:
    return survey_one(name, upstream_at(root), workspace_at(project) if project else None)
