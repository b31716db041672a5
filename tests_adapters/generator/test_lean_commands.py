"""What commands leave out, so that they take little more than parsing takes: second looks at a file or at memory."""

from __future__ import annotations

import ast
import gc
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libcst as cst
import pytest

from adaptergen import garbage
from adaptergen.processes import shared_out
from adaptergen.surveying.analysing import survey_one
from adaptergen.upstream import installed_transformers


ROOT = Path(__file__).parents[2]
AT_EXIT = """\
import atexit, gc
from adaptergen.garbage import collect_nothing_at_exit

atexit.register(lambda: print(gc.get_freeze_count() > 1000))
collect_nothing_at_exit()
"""


def test_each_parser_reads_a_file_once(monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = installed_transformers()
    texts = Counter[tuple[str, str]]()

    def counted(parser: Callable[..., Any]) -> Callable[..., Any]:
        def parse(text: str, *arguments: object, **keywords: object) -> Any:
            texts[parser.__name__, text] += 1
            return parser(text, *arguments, **keywords)

        return parse

    monkeypatch.setattr(ast, "parse", counted(ast.parse))
    monkeypatch.setattr(cst, "parse_module", counted(cst.parse_module))
    survey_one("gpt_neo", upstream, None)

    folder = upstream.root / "models/gpt_neo"
    for file in (folder / "modeling_gpt_neo.py", folder / "configuration_gpt_neo.py"):
        assert [texts["parse", file.read_text()], texts["parse_module", file.read_text()]] == [1, 1]


def test_memory_is_searched_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with garbage.collected_rarely():
        assert gc.get_threshold()[0] == garbage.NEW_OBJECTS
        with garbage.collected_as_usual():
            assert gc.get_threshold() == garbage.PYTHONS_OWN
        assert gc.get_threshold()[0] == garbage.NEW_OBJECTS
    assert gc.get_threshold() == before


def test_processes_that_help_search_it_rarely() -> None:
    found = list(shared_out(_threshold, [0, 1], 2))

    assert found == [garbage.NEW_OBJECTS] * 2
    assert gc.get_threshold()[0] != garbage.NEW_OBJECTS


def _threshold(item: int) -> int:
    return gc.get_threshold()[0]


def test_memory_is_not_searched_at_the_end() -> None:
    done = subprocess.run([sys.executable, "-c", AT_EXIT], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "True\n"
