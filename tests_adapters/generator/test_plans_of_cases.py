"""What is decided about small modeling files of one structure each, and what is changed in their code?

`cases/<name>/` holds upstream's file as it might be, and either the plan and the change, or the refusal.
`pytest tests_adapters/generator --write-goldens` writes the answers; they are reviewed like code.
"""

from __future__ import annotations

import pytest

from adaptergen.plan_file import dump
from adaptergen.problems import ProblemsFound
from adaptergen.upstream_diff import upstream_diff
from tests_adapters.generator.case import CASES, NAMES, integration


GOLDENS = ("plan.toml", "upstream.diff", "error.txt")


@pytest.mark.parametrize("name", NAMES)
def test_case(name: str, write_goldens: bool) -> None:
    answers = answers_for(name)
    if write_goldens:
        write(name, answers)

    assert answers == {golden: text for golden in GOLDENS if (text := read(name, golden)) is not None}


def answers_for(name: str) -> dict[str, str]:
    try:
        made = integration(name)
    except ProblemsFound as found:
        return {"error.txt": f"{found}\n"}
    return {"plan.toml": dump(made.plan), "upstream.diff": upstream_diff(made.source, made.borrowed.edits)}


def read(name: str, golden: str) -> str | None:
    path = CASES / name / golden
    return path.read_text() if path.exists() else None


def write(name: str, answers: dict[str, str]) -> None:
    for golden in GOLDENS:
        (CASES / name / golden).unlink(missing_ok=True)
    for golden, text in answers.items():
        (CASES / name / golden).write_text(text)
