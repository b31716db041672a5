"""The script that tries several releases: what it installs, and what it makes of what it finds."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from adaptergen.supported import NEWEST, OLDEST


ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "utils")
    import version_range

    yield version_range
    for name in ("version_range", "version_tables", "pages", "scratch"):
        sys.modules.pop(name, None)


@pytest.fixture
def tables(script: ModuleType) -> ModuleType:
    return sys.modules["version_tables"]


def result(fate: str = "unchanged", checks: int = 5, **others: object) -> dict[str, object]:
    return {"fate": fate, "checks": checks, "failed": [], "problems": [], "refused": {}} | others


def test_the_page_says_what_was_found(script: ModuleType) -> None:
    page = script.PAGE.read_text()

    assert script.with_tables(page, json.loads(script.RESULTS.read_text())) == page


def test_releases_are_in_the_range_and_the_newest_is_that_of_the_repository(script: ModuleType) -> None:
    releases = [tuple(map(int, release.split(".")[:2])) for release in script.RELEASES]

    assert releases == sorted(releases)
    assert OLDEST <= releases[0] < releases[-1] == NEWEST
    assert script.constraints(script.RELEASES[-1]).splitlines()[-1] in (ROOT / "constraints.txt").read_text()


def test_what_a_release_needs_is_in_place_of_the_usual(script: ModuleType) -> None:
    lines = script.constraints("5.5.4").splitlines()

    assert [line for line in lines if line.startswith(("transformers==", "tokenizers=="))] == [
        "transformers==5.5.4",
        "tokenizers==0.22.2",
    ]
    assert sum(line.lower().replace("_", "-").startswith("huggingface-hub==") for line in lines) == 1
    assert "torch==2.13.0" in lines


def test_what_was_found_of_other_models_and_releases_stays(script: ModuleType) -> None:
    before = {
        "models": {"vit": {"5.5.4": result(failed=["old"]), "5.23.0": result()}, "t5": {"5.5.4": result()}},
        "adapters": {"vit": {"5.5.4": {"5.23.0": {"lora": "old", "ia3": ""}, "5.16.1": {"lora": ""}}}},
        "all": {"5.5.4": {"regenerated": 3}},
    }
    now = {
        "models": {"vit": {"5.5.4": result("replanned")}},
        "adapters": {"vit": {"5.5.4": {"5.23.0": {"lora": ""}}}},
        "all": {},
    }

    assert script.joined(before, now) == {
        "models": {"vit": {"5.5.4": result("replanned"), "5.23.0": result()}, "t5": {"5.5.4": result()}},
        "adapters": {"vit": {"5.5.4": {"5.23.0": {"lora": ""}, "5.16.1": {"lora": ""}}}},
        "all": {"5.5.4": {"regenerated": 3}},
    }
    assert script.joined({}, now) == now


def test_tables(script: ModuleType, tables: ModuleType) -> None:
    found = {
        "models": {
            "vit": {"5.5.4": result("replanned", 9), "5.23.0": result(failed=["lora: wrong"], problems=["stale"])},
            "t5": {"5.5.4": result(refused={"prefix_tuning": "why", "prompt_tuning": "so"})}
            | {"5.23.0": result(refused={"prompt_tuning": "so"})},
        },
        "all": {"5.5.4": {"regenerated": 3, "needs a person": 1}},
        "adapters": {
            "vit": {"5.5.4": {"5.23.0": {"lora": "", "ia3": "KeyError: x"}}, "5.16.1": {"5.23.0": {"lora": ""}}}
        },
    }

    assert tables.models_table(found) == (
        "|  | 5.5.4 | 5.10.4 | 5.16.1 | 5.23.0 |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| t5 | unchanged, 5 checks | – | – | unchanged, 5 checks |\n"
        "| vit | replanned, 9 checks | – | – | unchanged, **1 failed** of 5, **1 problems** |\n"
        "| every model of the project | 3 regenerated, 1 needs a person | – | – | – |\n"
    )
    assert tables.adapters_table(found).splitlines()[2] == "| vit | – | – | – | **2 of 3** |"
    assert tables.refusals(found) == "- t5 under 5.5.4: no prefix_tuning: why\n"
    del found["models"]["t5"]["5.23.0"]
    assert tables.refusals(found) == "There are none.\n"
    assert list(script.failures(found)) == ["stale", "lora: wrong", "KeyError: x"]
