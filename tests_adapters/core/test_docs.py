"""
Every Python block of the guides runs as it stands.

The blocks of a page share their names and run one after the other in an empty folder. There is no network: where a
page speaks of a checkpoint of the Hub, a tiny model of random weights lies in a folder of that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest
import torch
from transformers import AutoModel

from tests_adapters.core.made_tokenizer import made_tokenizer
from tests_adapters.core.zoo import CONFIGS, LANGUAGE_MODELS, build


GUIDES = Path(__file__).parents[2] / "adapter_docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CHECKPOINTS = {
    "bert-base-uncased": "bert",
    "distilbert-base-uncased": "distilbert",
    "facebook/bart-base": "bart",
    "gpt2": "gpt2",
    "google-t5/t5-small": "t5",
}


def pages_with_code() -> list[str]:
    return sorted(page.name for page in GUIDES.glob("*.md") if BLOCK.search(page.read_text(encoding="utf-8")))


def blocks(page: Path) -> Iterator[CodeType]:
    """The blocks, compiled so that a traceback names the line of the page."""
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        lines_before = text.count("\n", 0, block.start(1))
        yield compile("\n" * lines_before + block[1], str(page), "exec")


def write_checkpoints(text: str) -> None:
    """The checkpoints that a page loads."""
    for name, architecture in CHECKPOINTS.items():
        if f'"{name}"' in text:
            build(architecture, LANGUAGE_MODELS[architecture]).save_pretrained(name)
            made_tokenizer().save_pretrained(name)


@pytest.mark.parametrize("name", pages_with_code())
def test_page(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = GUIDES / name
    monkeypatch.chdir(tmp_path)
    write_checkpoints(page.read_text(encoding="utf-8"))
    torch.manual_seed(0)

    names: dict[str, object] = {"__name__": "page"}
    for code in blocks(page):
        exec(code, names)


def test_the_pages_are_found() -> None:
    assert "quickstart.md" in pages_with_code()


def test_a_checkpoint_is_found_where_the_hub_would_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_checkpoints('AutoModel.from_pretrained("gpt2")')
    assert AutoModel.from_pretrained("gpt2").config.n_embd == CONFIGS["gpt2"]().n_embd
