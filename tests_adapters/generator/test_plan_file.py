"""Is a plan the same after it was written and read, and is everything that is wrong with an edited one said?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from adaptergen.plan import HeadPlan, IntegrationPlan
from adaptergen.plan_file import UNPLANNED, dump, load
from adaptergen.problems import ProblemsFound
from tests_adapters.generator.case import plan_of


PATH = "generated/models/case/plan.toml"
TEXT = dump(plan_of("pre_norm"))


def problems(text: str) -> list[str]:
    with pytest.raises(ProblemsFound) as found:
        load(text, PATH)
    assert {problem.code for problem in found.value.problems} == {"bad-plan"}
    return [f"{problem.at}: {problem.message}" for problem in found.value.problems]


@pytest.mark.parametrize("case", ["causal_buffer", "encoder_decoder", "relative_bias", "optional_cross_attention"])
def test_written_and_read_it_is_the_same(case: str) -> None:
    plan = plan_of(case)

    assert load(dump(plan), PATH) == plan
    assert dump(load(dump(plan), PATH)) == dump(plan)


@pytest.mark.parametrize(
    "text",
    [
        'quotes " and \\ backslashes',
        "two\nlines",
        "    indented\n\n    lines with ''' and \"\"\"\n",
        "tab\tand bell\x07",
        "\n starts and ends with a line break \n",
        "ünïcödé ✓",
        "",
    ],
)
def test_any_text_survives(text: str) -> None:
    plan = plan_of("pre_norm")
    first, *others = plan.residuals
    changed = replace(plan, title=text, residuals=(replace(first, statement=text, because=text), *others))

    assert load(dump(changed), PATH) == changed


@pytest.mark.parametrize("value", [True, 0, -1, 1.5, 0.0, "x", ("a", "b"), (("a", 1), ("b",)), {"k": (1,)}, (), {}])
def test_any_setting_of_a_head_survives(value: object) -> None:
    plan = plan_of("pre_norm")
    changed = replace(plan, heads=(HeadPlan(cls="CaseForCausalLM", config={"setting": value, "last": 1}),))

    assert load(dump(changed), PATH) == changed


def test_lists_may_be_left_out_where_they_are_empty() -> None:
    plan = plan_of("pre_norm")
    empty = replace(plan, stacks=(), layers=(), residuals=(), prefixes=(), heads=(), config_names=())

    assert load(dump(empty), PATH) == empty


def test_broken_toml_has_its_line() -> None:
    broken = TEXT.replace('name = "case"', 'name = "case', 1)
    line = broken.splitlines().index('name = "case') + 1

    (said,) = problems(broken)
    assert said.startswith(f"{PATH}:{line}: not valid TOML")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "case"', 'name = "case"\ncolour = "red"', "colour is not a key of a plan"),
        ('layers = "layers"', 'layers = "layers"\nlayer_list = "h"', "stacks[0].layer_list is not a key of a plan"),
        ('title = "Case"', "title = 3", "title is int, expected a string"),
        ("supported = true", 'supported = "yes"', "methods.bottleneck.supported is str, expected true or false"),
        ('kind = "decoder"', 'kind = "both"', "stacks[0].kind is 'both', expected one of 'encoder', 'decoder'"),
        ('model_type = "case"', "", "model_type is missing"),
        ('holders = ["CaseModel"]', 'holders = "CaseModel"', "classes.holders is str, expected a table or list"),
        ('holders = ["CaseModel"]', "holders = [1]", "classes.holders[0] is int, expected a string"),
        ("nth = 1", "nth = true", "residuals[1].nth is bool, expected a number"),
        ("nth = 1", 'nth = 1\nby = "me"', "residuals[1].by is 'me', expected one of 'adaptergen', 'hand'"),
    ],
)
def test_what_does_not_fit_is_named(old: str, new: str, said: str) -> None:
    assert old in TEXT

    assert problems(TEXT.replace(old, new, 1)) == [f"{PATH}: {said}"]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    broken = TEXT.replace('title = "Case"', "").replace("generates = true", 'generates = "yes"')

    assert problems(broken) == [
        f"{PATH}: title is missing",
        f"{PATH}: adapter_model.generates is str, expected true or false",
    ]


@pytest.mark.parametrize("text", ["", "name = 'case'\n", "[name]\n", "stacks = 3\n", "methods = []\n", "source = 1\n"])
def test_no_file_makes_it_crash(text: str) -> None:
    assert problems(text)


def test_a_method_that_came_after_the_plan_is_unplanned() -> None:
    start, end = TEXT.index("[methods.lora]"), TEXT.index("[methods.ia3]")

    assert load(TEXT[:start] + TEXT[end:], PATH).methods["lora"] == UNPLANNED


def test_an_unknown_method_is_an_error() -> None:
    assert problems(TEXT.replace("[methods.lora]", "[methods.loar]")) == [
        f"{PATH}: methods.loar is not a key of a plan",
    ]


def test_the_plan_says_who_wrote_it_and_how_to_change_it() -> None:
    assert TEXT.startswith("# The integration plan of this architecture")
    assert "run `adaptergen update case`" in TEXT.splitlines()[1]
    assert isinstance(load(TEXT, PATH), IntegrationPlan)
