"""Each test and each script that the pages on reliability and security name is there."""

from __future__ import annotations

import re

import pytest

from tests_adapters.pages.blocks import GUIDES


ROOT = GUIDES.parent
NAMED = re.compile(r"`((?:utils/|tests_adapters/[\w/]*)\w+\.py|test_\w+\.py)(?:::(\w+))?`")


def missing(text: str) -> list[str]:
    """What is named in a text and is nowhere: a file of a path, or of a name anywhere among the tests."""
    return [f"{path}::{name}" if name else path for path, name in NAMED.findall(text) if not is_there(path, name)]


def is_there(path: str, name: str) -> bool:
    files = [ROOT / path] if "/" in path else [*(ROOT / "tests_adapters").rglob(path)]
    texts = [file.read_text(encoding="utf-8") for file in files if file.is_file()]
    return any(not name or f"def {name}(" in text for text in texts)


@pytest.mark.parametrize("page", ["SECURITY.md", "adapter_docs/reliability.md"])
def test_what_is_named_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")

    assert len(NAMED.findall(text)) > 5
    assert missing(text) == []


def test_what_is_missing_is_noticed() -> None:
    assert missing("`test_files.py`, `test_nothing_of_this.py`, `utils/scratch.py`, `utils/none.py`") == [
        "test_nothing_of_this.py",
        "utils/none.py",
    ]
    assert missing("`test_named_tests.py::test_what_is_named_is_there`, `test_files.py::test_none`") == [
        "test_files.py::test_none"
    ]


def test_each_row_of_the_threat_model_names_what_shows_it() -> None:
    rows = [line for line in (ROOT / "SECURITY.md").read_text(encoding="utf-8").split("\n") if line.startswith("| ")]

    assert len(rows) > 5
    assert [row for row in rows[2:] if not NAMED.search(row.split(" | ")[-1])] == []
