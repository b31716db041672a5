"""Does every script learn its task in its small run, and is what it wrote what it measured?"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests_adapters.examples.scripts import needs_extra, tiny


pytestmark = needs_extra

# What is reached, for what is measured before and after. A guess is right in one of two, four, eight or ten cases.
LEARNED: dict[str, Callable[[Any], bool]] = {
    "text_classification": lambda report: report.before < 0.7 and report.after > 0.8,
    "token_classification": lambda report: report.before < 0.2 and report.after > 0.75,
    "question_answering": lambda report: report.before < 0.4 and report.after > 0.9,
    "language_modeling": lambda report: report.after < report.before / 2,
    "summarization": lambda report: report.before < 0.6 and report.after > 0.9,
    "image_classification": lambda report: report.after > 0.7,
    "speech_recognition": lambda report: report.after < 0.6 * report.before,
    "multi_task_fusion": lambda report: report.before < 0.3 and report.after > 0.55,
    "cross_lingual": lambda report: report.before < 0.65 and report.after > 0.85,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNED)
def test_learns(name: str, tmp_path: Path) -> None:
    report = tiny(name, tmp_path)

    assert LEARNED[name](report), report
    assert math.isclose(report.loaded, report.after, abs_tol=1e-6)
    assert 0 < report.trained < report.parameters
    assert json.loads((tmp_path / "report.json").read_text()) == asdict(report)
    assert list(Path(report.folder).rglob("adapter_config.json"))


@pytest.mark.parametrize("name", ["text_classification", "language_modeling"])
def test_runs(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A few steps of the quickest: what is written is what was measured, and people are told how to load it."""
    report = tiny(name, tmp_path, "--max-steps", "20", "--limit", "200")

    assert math.isclose(report.loaded, report.after, abs_tol=1e-6)
    assert 0 < report.trained < report.parameters
    assert f"model.load_adapter({report.folder!r}, set_active=True)" in capsys.readouterr().out


@pytest.mark.slow
def test_compares(tmp_path: Path) -> None:
    """Every method within 2 points of all weights, with under 5 % of them; the head alone is far from that."""
    rows = {row.method: row for row in tiny("compare", tmp_path)}

    full, head = rows.pop("full fine-tuning"), rows.pop("head alone")
    assert full.share == 1
    assert full.score > 0.98
    assert 0.25 < head.scores["topic"] < 0.95 * full.scores["topic"]  # a guess is right in one of four, or of two
    assert 0.5 < head.scores["mood"] < 0.9 * full.scores["mood"]
    for row in rows.values():
        assert row.share < 0.05, row
        assert row.peak < full.peak or row.method == "(IA)³", row  # which keeps what maps gave before it was scaled
        assert row.score > full.score - 0.02, row
    assert (tmp_path / "comparison.md").read_text().count("\n") == 2 + 2 + len(rows)
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert len(json.loads((tmp_path / "comparison.json").read_text())) == 2 * (2 + len(rows))
