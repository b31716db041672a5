"""Does every architecture of the installed transformers end in a plan or in a reason, and soon?"""

from __future__ import annotations

import time

import pytest

from adaptergen.pipeline import integrate
from adaptergen.problems import Problem, ProblemsFound
from tests_adapters.generator.real import upstream


SECONDS = 5.0
OWN_DEFECTS = {"anchor-gone", "not-reversible"}  # never right for a plan that was just made


@pytest.mark.slow
@pytest.mark.parametrize("name", upstream().folders)
def test_plan_or_reason(name: str) -> None:
    started = time.process_time()
    problems = problems_of(name)

    assert time.process_time() - started < SECONDS
    assert not OWN_DEFECTS & {problem.code for problem in problems}, problems
    assert all(problem.message for problem in problems)


def problems_of(name: str) -> tuple[Problem, ...]:
    """Why there is no integration of an architecture; none where there is one."""
    try:
        integrate(upstream().find(name), upstream())
    except ProblemsFound as found:
        return found.problems
    return ()
