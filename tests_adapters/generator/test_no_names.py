"""Does no rule name an architecture? Neither an identifier nor a string of these rooms has the name of one in it."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import adaptergen
from tests_adapters.generator.real import upstream


PACKAGE = Path(adaptergen.__file__).parent
ROOMS = ("analysis", "planning", "transforms", "tracing")
FILES = sorted(path for room in ROOMS for path in (PACKAGE / room).rglob("*.py"))
WORDS = {  # that are names of architectures, too, and mean something else here
    "beam",
    "clip",
    "encoder_decoder",
    "led",
    "openai",  # the organisation, which the first lines of several files name
}


def names() -> frozenset[str]:
    """Every folder and model type of transformers, as a folder is written."""
    types = map(str, upstream().table("CONFIG_MAPPING_NAMES"))
    return frozenset({*upstream().folders, *(name.replace("-", "_") for name in types)} - WORDS)


def named(text: str) -> set[str]:
    """The architectures that identifiers and strings of a source name; docstrings and comments may give examples."""
    known = names()
    return {part for word in _words(text) for part in _parts(word) if part in known}


def _words(text: str) -> Iterator[str]:
    docstrings = {
        node.body[0].lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None
    }
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME or (token.type == tokenize.STRING and token.start[0] not in docstrings):
            yield from re.findall(r"[A-Za-z][A-Za-z0-9_]*", token.string)


def _parts(word: str) -> Iterator[str]:
    """`gpt_neo` of `GPTNeoBlock` and of `gpt_neo_layers`: every run of its words."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", word).lower().strip("_")
    parts = snake.split("_")
    for start in range(len(parts)):
        for end in range(start + 1, len(parts) + 1):
            yield "_".join(parts[start:end])


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_architecture_is_named(path: Path) -> None:
    assert named(path.read_text()) == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = 'GPTNeoBlock'", {"gpt_neo"}),
        ("bert_layer = 1", {"bert"}),
        ("if name in ('gpt2', 'llama'): ...", {"gpt2", "llama"}),
        ("def f():\n    '''As in BERT.'''  # and in T5", set()),
        ("albertine = 1", set()),
    ],
)
def test_what_counts_as_a_name(text: str, found: set[str]) -> None:
    assert named(text) == found
