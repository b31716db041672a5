"""Does `survey` tell of every architecture what it can take, or why not, without changing anything?"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from adaptergen.surveying.reasons import general
from adaptergen.surveying.record import COLUMNS, read, written
from tests_adapters.generator.case import CASES
from tests_adapters.generator.projects import done, run
from tests_adapters.generator.trees import made_up_transformers, write_all


TABLES = """\
transformers 5.23.0

              all  bottleneck  lora  ia3  prefix_tuning  invertible  reft  prompt_tuning  parallel  main three
text decoder  2    2           2     2    2              2           2     2              2         2
total         2    2           2     2    2              2           2     2              2         2

         family        bottleneck  lora  ia3  prefix_tuning  invertible  reft  prompt_tuning  parallel
case     text decoder  yes         yes   yes  yes            yes         yes   yes            yes
my_case  text decoder  yes         yes   yes  yes            yes         yes   yes            yes
"""
EXPLAINED = """\
transformers 5.23.0

      family        bottleneck  lora  ia3  prefix_tuning  invertible  reft  prompt_tuning  parallel
case  text encoder  -           yes   yes  yes            yes         yes   yes            yes
    bottleneck: CaseLayer has no residual addition that is understood
"""


def tree(folder: Path, case: str) -> Path:
    """A checkout of a transformers whose only model is this case."""
    upstream = made_up_transformers(folder / "src", {p.name: p.read_text() for p in (CASES / case).glob("*.py")})
    write_all(upstream.root, {"models/resnet/modeling_resnet.py": "class ResNet(PreTrainedModel): ...\n"})
    return folder


def test_tables(project: Path) -> None:
    assert done(project, "survey") == TABLES


def test_named_architectures_are_explained(project: Path, tmp_path: Path) -> None:
    text = done(project, "survey", "case", "--source-tree", str(tree(tmp_path / "tree", "residual_outside")))

    assert text == EXPLAINED


def test_json_of_everything(project: Path) -> None:
    printed = done(project, "survey", "--json", "-")
    told = json.loads(printed)

    assert told["transformers"] == "5.23.0"
    assert list(told["architectures"]) == ["case", "my_case"]
    case = told["architectures"]["case"]
    assert {key: case[key] for key in ("group", "family", "modality")} == {
        "group": "attention",
        "family": "text decoder",
        "modality": "text",
    }
    assert list(case["methods"]) == list(COLUMNS)
    assert all(cell["supported"] and cell["proven"] is None and cell["because"] for cell in case["methods"].values())
    assert written(read(printed, "survey.json")) == printed


def test_json_in_a_file(project: Path, tmp_path: Path) -> None:
    file = tmp_path / "survey.json"
    done(project, "survey", "case", "--json", str(file))

    assert list(json.loads(file.read_text())["architectures"]) == ["case"]


def test_what_has_no_attention_is_not_counted(project: Path, tmp_path: Path) -> None:
    folder = str(tree(tmp_path / "tree", "pre_norm"))
    text = done(project, "survey", "--source-tree", folder)

    assert re.search(r"^total +1 ", text, re.MULTILINE)
    assert re.search(r"^without attention +1 +0 ", text, re.MULTILINE)
    assert "has no attention" in done(project, "survey", "resnet", "--source-tree", folder)


def test_entries_of_hands_are_kept_to(one: Path) -> None:
    plan = one / "generated/models/case/plan.toml"
    plan.write_text(
        plan.read_text().replace(
            '[methods.reft]\nsupported = true\nbecause = "the hidden states leave every layer"',
            '[methods.reft]\nsupported = false\nby = "hand"\nbecause = "not wanted here"',
        )
    )
    assert "reft: not wanted here" in done(one, "survey", "case")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("survey", "casee"), "error[unknown-model]"),
        (("survey", "--source-tree", "."), "error[no-transformers]"),
    ],
)
def test_what_cannot_be_surveyed(project: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run(project, *arguments)

    assert result.exit_code > 0
    assert message in result.stderr


def test_outside_of_a_project(project: Path, tmp_path: Path) -> None:
    assert "case" in done(tmp_path, "survey", "case")


@pytest.mark.parametrize(
    ("reason", "without_names"),
    [
        (
            "no list of layers of CLIPModel computes attention in a way that is understood (modeling_clip.py:651)",
            "no list of layers of … computes attention in a way that is understood",
        ),
        (
            "no forward of XModel runs its layers (semantic.layers, coarse.layers) in a way that is understood",
            "no forward of … runs its layers (…) in a way that is understood",
        ),
        ("has no attention", "has no attention"),
    ],
)
def test_reasons_without_names(reason: str, without_names: str) -> None:
    assert general(reason) == without_names
