"""
Every Python block of the guides runs as it stands, and so does the example on the page of each model.

The blocks of a page share their names and run one after the other in an empty folder. There is no network: where a
page speaks of a checkpoint of the Hub, a tiny model of random weights lies in a folder of that name.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from adaptergen.plan import MethodSupport
from adaptergen.plan_file import load
from adaptergen.verify.subjects import ModelCase
from generated.core.towers import keeps_rows
from tests_adapters.core.made_tokenizer import made_tokenizer
from tests_adapters.core.representatives import plans_below, representatives
from tests_adapters.core.zoo import CONFIGS, LANGUAGE_MODELS, build
from tests_adapters.pages.blocks import GUIDES, PAGES, ROOT, blocks_of


CHECKPOINTS = {
    "bert-base-uncased": "bert",
    "distilbert-base-uncased": "distilbert",
    "facebook/bart-base": "bart",
    "gpt2": "gpt2",
    "google-t5/t5-small": "t5",
}
GUIDES_WITH_CODE = [
    page.name
    for page in PAGES
    if page.parent == GUIDES and any(block.language == "python" for block in blocks_of(page))
]
PLANS = plans_below(ROOT / "generated/models")
QUICK = representatives(PLANS)
MODELS = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in PLANS]


def run_blocks(page: Path) -> dict[str, object]:
    """The names that the page has at its end; a traceback names the line of the page."""
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks_of(page):
        if block.language == "python" and not block.why_not:
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)
    return names


def write_checkpoints(text: str) -> None:
    """The checkpoints that a page loads."""
    for name, architecture in CHECKPOINTS.items():
        if f'"{name}"' in text:
            build(architecture, LANGUAGE_MODELS[architecture]).save_pretrained(name)
            made_tokenizer().save_pretrained(name)


@pytest.mark.parametrize("name", GUIDES_WITH_CODE)
def test_guide(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_checkpoints((GUIDES / name).read_text(encoding="utf-8"))
    torch.manual_seed(0)

    run_blocks(GUIDES / name)


def case_of(name: str) -> ModelCase:
    module = importlib.import_module(f"tests_adapters.models.test_{name}")
    (case,) = (value for value in vars(module).values() if isinstance(value, ModelCase))
    return case


@pytest.mark.parametrize("name", MODELS)
def test_example_of_a_model(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes every method that the plan says, and tells examples apart if the page says so."""
    monkeypatch.chdir(tmp_path)
    case, plan = case_of(name), load((ROOT / f"generated/models/{name}/plan.toml").read_text(encoding="utf-8"), name)
    case.base.cls._from_config(case.base.config).save_pretrained(f"path/to/{name}")

    try:
        model = run_blocks(GUIDES / f"classes/models/{name}.rst")["model"]
    except ImportError as error:  # a small model of transformers stood for a model of another library
        pytest.skip(f"upstream's own model is not read: {error}")

    assert isinstance(model, (case.adapter_model_class, case.base.cls))
    assert len(model.adapters_config) == 2 + len(_others(plan.methods))
    assert keeps_rows(model) == plan.keeps_rows or plan.sub_models


def _others(methods: Mapping[str, MethodSupport]) -> list[str]:
    """The methods beside the first one that an architecture takes; invertible adapters come with bottleneck ones."""
    taken = [name for name, told in methods.items() if told.supported]
    return [name for name in taken if name != "invertible" or "bottleneck" in taken][1:]


def test_a_checkpoint_is_found_where_the_hub_would_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_checkpoints('AutoModel.from_pretrained("gpt2")')
    assert AutoModel.from_pretrained("gpt2").config.n_embd == CONFIGS["gpt2"]().n_embd
