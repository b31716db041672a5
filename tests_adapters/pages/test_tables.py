"""What the guides list is what there is: options, identifiers, blocks, pages."""

from __future__ import annotations

import pydoc
import re
from dataclasses import fields
from pathlib import Path

import pytest
from transformers import BertConfig, BertModel

import generated
from generated.core.composition import AdapterCompositionBlock
from generated.core.configuration import (
    ADAPTER_CONFIG_MAP,
    AdapterConfig,
    AdapterFusionConfig,
    BnConfig,
    LoRAConfig,
    MTLLoRAConfig,
    PrefixTuningConfig,
    PromptTuningConfig,
    ReftConfig,
)
from generated.core.forward_inputs import OWN_ARGUMENTS
from generated.core.heads.adding import AddHeadsMixin
from generated.core.layers import AdapterLayer, PrefixTuningShim
from generated.core.layers.lora import LoRALinearMixin
from generated.core.layers.prompt_tuning import PromptTuningLayer
from generated.core.layers.reft import ReftLayer
from tests_adapters.pages.blocks import GUIDES


PAGES = sorted({*GUIDES.glob("*.md"), *GUIDES.glob("*.rst")} - {GUIDES / "index.md"})
SLOTS = {
    "Bottleneck": AdapterLayer,
    "LoRA, (IA)³": LoRALinearMixin,
    "Prefix tuning": PrefixTuningShim,
    "Prompt tuning": PromptTuningLayer,
    "ReFT": ReftLayer,
}
OPTIONS: dict[str, tuple[type[AdapterConfig], ...]] = {
    "bottleneck.md": (BnConfig,),
    "composition.md": (AdapterFusionConfig,),
    "lora.md": (LoRAConfig, MTLLoRAConfig),
    "prefix_tuning.md": (PrefixTuningConfig, PromptTuningConfig),
    "reft.md": (ReftConfig,),
}


def guide(name: str) -> str:
    return (GUIDES / name).read_text(encoding="utf-8")


def table(text: str, first_column: str, columns: int) -> list[list[str]]:
    """The rows of the first table with this many columns whose first column has this title, the titles included."""
    tables = re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE)
    rows = [[[cell.strip() for cell in line.strip("|").split("|")] for line in one.splitlines()] for one in tables]
    return next([one[0], *one[2:]] for one in rows if one[0][0] == first_column and len(one[0]) == columns)


def code_words(text: str) -> set[str]:
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return set(re.findall(r"`([^`]+)`", prose))


@pytest.mark.parametrize("page", OPTIONS)
def test_every_option_is_explained(page: str) -> None:
    options = {field.name for config in OPTIONS[page] for field in fields(config)} - {"architecture"}
    assert options <= code_words(guide(page))


@pytest.mark.slow
def test_sizes_are_those_of_bert_base() -> None:
    model = generated.init(BertModel(BertConfig()))
    _, *rows = table(guide("quickstart.md"), "Configuration", 3)
    assert len(rows) > 5
    for identifier, count, share in rows:
        model.add_adapter("task", config=identifier.strip('`"'))
        size = model.adapter_summary(as_dict=True)[0]
        assert (count, share) == (f"{size['#param']:,}", f"{size['%param']:.2f} %")
        model.delete_adapter("task")


def test_every_kind_of_head_is_listed() -> None:
    methods = {name for name in vars(AddHeadsMixin) if name.startswith("add_")}
    assert methods <= {row[0].strip("`") for row in table(guide("heads.md"), "Method", 3)}


def test_every_argument_of_a_call_is_listed() -> None:
    assert set(OWN_ARGUMENTS) <= code_words(guide("composition.md"))


def test_every_identifier_is_listed() -> None:
    listed = {word.strip('"') for path in GUIDES.glob("*.md") for word in code_words(path.read_text(encoding="utf-8"))}
    assert ADAPTER_CONFIG_MAP.keys() <= listed


def test_which_block_runs_on_which_method() -> None:
    (_, *methods), *rows = table(guide("composition.md"), "Block", len(SLOTS) + 1)
    blocks = AdapterCompositionBlock.kinds
    assert methods == list(SLOTS)
    assert {row[0].strip("`") for row in rows} == blocks.keys()
    for name, *marks in rows:
        runs = [issubclass(blocks[name.strip("`")], SLOTS[method].supported_blocks) for method in methods]
        assert [mark == "✓" for mark in marks] == runs, name


def test_which_block_may_stand_in_which() -> None:
    text = guide("composition.md").partition("### Which block may stand in which")[2]
    _, *rows = table(text, "Block", 2)
    blocks = AdapterCompositionBlock.kinds
    assert {row[0].strip("`") for row in rows} == blocks.keys()
    for name, inner in rows:
        nestings = set(blocks[name.strip("`")].nestings)
        assert nestings == (blocks.keys() if inner == "every block" else code_words(inner)), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_is_in_the_index_and_its_links_lead_somewhere(page: Path) -> None:
    assert f"\n{page.stem}\n" in guide("index.md")
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (GUIDES / link).is_file()] == []


def test_everything_in_the_reference_exists() -> None:
    entries = re.findall(r"^\.\. auto(?:class|function|module):: (\S+)$", guide("reference.rst"), re.MULTILINE)
    assert len(entries) > 20
    assert [entry for entry in entries if pydoc.locate(entry) is None] == []
