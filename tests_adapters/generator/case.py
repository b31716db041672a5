"""Integrations of the case files, made once for all tests of a process."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from adaptergen.pipeline import Integration, integrate
from adaptergen.plan import IntegrationPlan
from adaptergen.upstream import Upstream
from tests_adapters.generator.trees import made_up_transformers


CASES = Path(__file__).parent / "cases"
NAMES = tuple(sorted(path.parent.name for path in CASES.glob("*/modeling_case.py")))
_folders: list[TemporaryDirectory[str]] = []  # they go when the process does


@cache
def upstream_of(case: str) -> Upstream:
    """A transformers whose only model is this case."""
    _folders.append(TemporaryDirectory(prefix="adaptergen-case-"))
    modeling = {path.name: path.read_text() for path in (CASES / case).glob("*.py")}
    return made_up_transformers(Path(_folders[-1].name), modeling)


@cache
def integration(case: str) -> Integration:
    return integrate(upstream_of(case).find("case"), upstream_of(case))


def plan_of(case: str) -> IntegrationPlan:
    return integration(case).plan


def planned_again(case: str, previous: IntegrationPlan) -> Integration:
    """The case planned afresh around a plan that people have changed."""
    return integrate(upstream_of(case).find("case"), upstream_of(case), previous)
