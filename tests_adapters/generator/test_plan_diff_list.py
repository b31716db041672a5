"""Do plan, diff and list tell what is there and what would be, for people and for machines, and change nothing?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from adaptergen.plan import METHODS
from adaptergen.plan_file import dump
from tests_adapters.generator.case import CASES, plan_of
from tests_adapters.generator.projects import done, run
from tests_adapters.generator.trees import fingerprint


MODELING = "generated/models/case/modeling_case.py"


@pytest.fixture(autouse=True)
def unchanged(one: Path) -> Iterator[None]:
    """None of these commands leaves a trace: each test's own edits are all that differs."""
    before = fingerprint(one)
    yield
    after = fingerprint(one)
    assert {path for path in {*before, *after} if before.get(path) != after.get(path)} <= {MODELING}


def test_plan_prints_what_would_be_written(one: Path) -> None:
    assert done(one, "plan", "case") == dump(plan_of("pre_norm"))
    assert 'model_type = "my-case"' in done(one, "plan", "my-case")


def test_plan_as_json_has_every_entry(one: Path) -> None:
    told = json.loads(done(one, "plan", "case", "--json"))

    assert told == json.loads(json.dumps(msgspec.to_builtins(plan_of("pre_norm"))))
    assert told["residuals"][0]["because"]


def test_plan_of_an_unknown_name(one: Path) -> None:
    result = run(one, "plan", "casee", "--json")

    assert result.exit_code == 2
    assert json.loads(result.stdout) == {
        "problems": [
            {
                "code": "unknown-model",
                "message": "transformers 5.23.0 has no modeling file for 'casee'",
                "path": None,
                "line": None,
                "fix": "did you mean case or my_case?",
            }
        ]
    }
    assert result.stderr == ""


def test_diff_of_a_model_as_it_should_be_is_empty(one: Path) -> None:
    assert done(one, "diff", "case") == ""


def test_diff_of_an_edited_model_shows_the_update(one: Path) -> None:
    path = one / MODELING
    path.write_text(path.read_text().replace("return self.out_proj(attn_output), attn_weights", "return None"))
    result = run(one, "diff", "case")

    assert result.exit_code == 1
    assert result.stderr == ""
    assert [line for line in result.stdout.splitlines() if line[0] in "+-"] == [
        f"--- a/{MODELING}",
        f"+++ b/{MODELING}",
        "-        return None",
        "+        return self.out_proj(attn_output), attn_weights",
    ]


def test_diff_of_a_model_to_come(one: Path) -> None:
    result = run(one, "diff", "my_case")

    assert result.exit_code == 1
    assert "--- /dev/null\n+++ b/generated/models/my_case/plan.toml\n" in result.stdout


def test_diff_against_upstream_is_exactly_the_edits(one: Path) -> None:
    assert done(one, "diff", "case", "--upstream") == (CASES / "pre_norm/upstream.diff").read_text()


@pytest.mark.parametrize("more", [[], ["--upstream"]])
def test_diff_of_an_unknown_name(one: Path, more: list[str]) -> None:
    assert run(one, "diff", "nothing", *more).exit_code == 2


def test_list_names_the_methods(one: Path) -> None:
    assert done(one, "list") == "case  bottleneck, lora, ia3, prefix_tuning, invertible, reft, prompt_tuning\n"
    assert json.loads(done(one, "list", "--json")) == {"case": dict.fromkeys(METHODS, True)}


def test_list_available_names_every_architecture(one: Path) -> None:
    assert done(one, "list", "--available") == "case\nmy_case\n"
    assert json.loads(done(one, "list", "--available", "--json")) == ["case", "my_case"]
