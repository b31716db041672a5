"""Is a plan the same after it was written and read, and is everything that is wrong with an edited one said?"""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec.structs import replace

from adaptergen.facts import Role
from adaptergen.plan import HeadPlan, IntegrationPlan
from adaptergen.plan_file import UNPLANNED, dump, load
from adaptergen.plan_lines import line_of
from adaptergen.problems import ProblemsFound
from tests_adapters.generator.case import plan_of


PATH = "generated/models/case/plan.toml"
TEXT = dump(plan_of("pre_norm"))
ROLES = ", ".join(map(repr, get_args(Role)))


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
    changed = replace(plan, residuals=(replace(first, statement=text, because=text, at=text), *others))

    assert load(dump(changed), PATH) == changed


@pytest.mark.parametrize("value", [True, 0, -1, 1.5, 0.0, "x", ("a", "b"), (("a", 1), ("b",)), {"k": (1,)}, (), {}])
def test_any_setting_of_a_head_survives(value: object) -> None:
    plan = plan_of("pre_norm")
    changed = replace(plan, heads=(HeadPlan(cls="CaseForCausalLM", config={"setting": value, "last": 1}),))

    assert load(dump(changed), PATH) == changed


def test_a_table_among_several_has_its_line_whatever_texts_say_before_it() -> None:
    text = 'a = """\n[[more]]\nb = 1\n"""\n[[more]]\nb = 2\n[more.inner]\n[[more]]\nb = [\n3,\n]\n'

    wanted = {
        "a": 1,
        "more[0].b": 6,
        "more[0].inner.gone": 7,
        "more[1]": 8,
        "more[1].b[0]": 9,
        "more[2]": 0,
        "gone": 0,
    }
    assert {where: line_of(text, where) for where in wanted} == wanted


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
        ('holders = ["CaseModel"]', 'holders = "CaseModel"', "classes.holders is str, expected a list"),
        ('holders = ["CaseModel"]', "holders = [1]", "classes.holders[0] is int, expected a string"),
        (
            'roles = ["up"]',
            'roles = ["above"]',
            f"layers[0].projections[4].roles[0] is 'above', expected one of {ROLES}",
        ),
        ("nth = 1", "nth = true", "residuals[1].nth is bool, expected a number"),
        ("nth = 1", 'nth = 1\nby = "me"', "residuals[1].by is 'me', expected one of 'adaptergen', 'hand'"),
    ],
)
def test_what_does_not_fit_is_named(old: str, new: str, said: str) -> None:
    assert old in TEXT
    broken = TEXT.replace(old, new, 1)
    line = broken[: broken.index(new) + len(new)].count("\n") + 1

    assert problems(broken) == [f"{PATH}{f':{line}' if new else ''}: {said}"]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    broken = TEXT.replace('title = "Case"', "").replace("generates = true", 'generates = "yes"')

    line = broken.splitlines().index('generates = "yes"') + 1
    assert problems(broken) == [
        f"{PATH}: title is missing",
        f"{PATH}:{line}: adapter_model.generates is str, expected true or false",
    ]


@pytest.mark.parametrize("text", ["", "name = 'case'\n", "[name]\n", "stacks = 3\n", "methods = []\n", "source = 1\n"])
def test_no_file_makes_it_crash(text: str) -> None:
    assert problems(text)


def test_a_method_that_came_after_the_plan_is_unplanned() -> None:
    start, end = TEXT.index("[methods.lora]"), TEXT.index("[methods.ia3]")

    assert load(TEXT[:start] + TEXT[end:], PATH).methods["lora"] == UNPLANNED


def test_an_unknown_method_is_an_error() -> None:
    broken = TEXT.replace("[methods.lora]", "[methods.loar]")
    line = broken.splitlines().index("[methods.loar]") + 1

    assert problems(broken) == [f"{PATH}:{line}: methods.loar is not a key of a plan"]


def test_the_plan_says_who_wrote_it_and_how_to_change_it() -> None:
    assert TEXT.startswith("# The integration plan of this architecture")
    assert "run `adaptergen update case`" in TEXT.splitlines()[1]
    assert isinstance(load(TEXT, PATH), IntegrationPlan)
