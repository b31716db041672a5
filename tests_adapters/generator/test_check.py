"""Does check find whatever is edited, missing, stale or left over, with its place and the command that mends it?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from adaptergen.checking import check, first_difference
from adaptergen.upstream import installed_transformers
from adaptergen.workspace import find_workspace
from tests_adapters.generator.projects import done, run
from tests_adapters.generator.trees import fingerprint


Break = Callable[[Path], None]
EDITED = "is not what adaptergen writes: it was edited by hand, or a template or plan has changed"
STALE = "a generated region does not say what the plans say"
PLAN = "generated/models/case/plan.toml"


def problems(project: Path, *names: str) -> list[str]:
    """What is wrong, a line each: the place, the code, the message → the command that mends it."""
    found = check(find_workspace(project), installed_transformers(), names)
    return [f"{problem.at} {problem.code}: {problem.message} → {problem.fix}" for problem in found]


def without(path: str) -> Break:
    return lambda project: (project / path).unlink()


def replaced(path: str, old: str, new: str) -> Break:
    def replace(project: Path) -> None:
        text = (project / path).read_text()
        assert old in text
        (project / path).write_text(text.replace(old, new, 1))

    return replace


DRIFT = {
    "hand-edited": (
        replaced("generated/models/case/modeling_case.py", "adapter_layer_forward", "adapter_forward"),
        "generated/models/case/modeling_case.py:{line} edited: a generated file " + EDITED,
        "self.attention_adapters.adapter_forward(",
    ),
    "head without mixin": (
        replaced("generated/models/case/modeling_case.py", "(ModelWithHeadsAdaptersMixin, Case", "(Case"),
        "generated/models/case/modeling_case.py:{line} edited: a generated file " + EDITED,
        "class CaseForCausalLMWithAdapters(",
    ),
    "edited test": (
        replaced("tests_adapters/models/test_case.py", 'name="case"', 'name="other"'),
        "tests_adapters/models/test_case.py:{line} edited: the test module " + EDITED,
        'name="other"',
    ),
    "edited page": (
        replaced("adapter_docs/classes/models/case.rst", "Adapter methods\n", "Methods\n"),
        "adapter_docs/classes/models/case.rst:{line} edited: the documentation page " + EDITED,
        "Methods",
    ),
    "edited plan": (
        replaced(PLAN, '[classes]\n', '# mine\n[classes]\n'),
        PLAN + ":{line} edited: the plan " + EDITED,
        "# mine",
    ),
    "table row": (
        replaced("adapter_docs/model_overview.md", "| [MyCase](classes/models/my_case.rst)", "| MyCase"),
        "adapter_docs/model_overview.md:{line} stale-region: " + STALE,
        "| MyCase ",
    ),
}  # fmt: skip
MISSING = {
    "generated/models/case/mixin_case.py": "a generated file",
    "tests_adapters/models/test_case.py": "the test module",
    "adapter_docs/classes/models/case.rst": "the documentation page",
}
REGISTERED = {
    "generated/__init__.py": '"CaseAdapterModel": "generated.models.case",\n',
    "generated/models/__init__.py": '"transformers.models.case.modeling_case": "case",\n',
    "generated/models/head_conversions.py": '"CaseForCausalLM": StaticHead(\n',
    "adapter_docs/model_overview.md": "classes/models/case\n",
    "utils/check_adapters.py": '"case",\n',
}


def test_what_was_just_written_is_right(two: Path) -> None:
    assert problems(two) == []


@pytest.mark.parametrize("kind", DRIFT)
def test_what_was_edited(two: Path, kind: str) -> None:
    broken, expected, line = DRIFT[kind]
    broken(two)
    path = two / expected.partition(":")[0]
    (number,) = [i for i, text in enumerate(path.read_text().splitlines(), 1) if line in text]

    assert problems(two, "case") == [f"{expected.format(line=number)} → adaptergen update --all"]


@pytest.mark.parametrize("path", MISSING)
def test_what_is_missing(two: Path, path: str) -> None:
    without(path)(two)

    assert problems(two, "case") == [f"{path} missing: {MISSING[path]} is missing → adaptergen update --all"]


@pytest.mark.parametrize("path", REGISTERED)
def test_what_is_not_registered(two: Path, path: str) -> None:
    """Tables are checked as a whole, whichever models are named."""
    text = (two / path).read_text()
    line = text[: text.index(REGISTERED[path])].count("\n") + 1
    replaced(path, REGISTERED[path], "")(two)

    assert problems(two, "my_case") == [f"{path}:{line} stale-region: {STALE} → adaptergen update --all"]


def test_a_file_that_has_lost_its_region(two: Path) -> None:
    replaced("utils/check_adapters.py", "adaptergen: begin checked-models", "")(two)

    (said,) = problems(two)
    assert said.startswith("utils/check_adapters.py no-region: no region 'checked-models'")


@pytest.mark.parametrize(("key", "cls"), [("heads", "CaseForCausalLM"), ("holders", "CaseModel")])
def test_a_class_that_the_plan_forgets(two: Path, key: str, cls: str) -> None:
    replaced(PLAN, f'\n{key} = ["{cls}"]\n', f"\n{key} = []\n")(two)

    assert problems(two) == [f"{PLAN} uncovered-class: {cls} has no adapter mixin → adaptergen update case"]


def test_a_class_that_is_new_in_upstream(two: Path, site: Path) -> None:
    """Its file has changed, which is found first; the update covers it."""
    modeling = site / "transformers/models/case/modeling_case.py"
    head = modeling.read_text().partition("class CaseForCausalLM")[2]
    modeling.write_text(f"{modeling.read_text()}\n\nclass CaseForMore{head}")

    assert problems(two) == [
        f"{PLAN} upstream-changed: transformers.models.case.modeling_case of transformers 5.23.0 is not the file that "
        "the plan was made for (transformers 5.23.0) → adaptergen update case"
    ]
    done(two, "update", "case", "--no-verify")
    assert "class CaseForMoreWithAdapters(" in (two / "generated/models/case/modeling_case.py").read_text()
    assert problems(two) == []


def test_an_architecture_that_is_gone_from_upstream(two: Path, site: Path) -> None:
    (site / "transformers/models/case/modeling_case.py").unlink()

    assert problems(two) == [
        "transformers/models/case/modeling_case.py upstream-gone: is not in transformers 5.23.0 → "
        "adaptergen remove-model case"
    ]


def test_a_model_without_a_plan(two: Path) -> None:
    """What is generated for it is left over, and still in every table."""
    (two / PLAN).unlink()
    said = problems(two, "case", "my_case")

    assert said[0] == f"{PLAN} no-plan: there is no model 'case' in this project → adaptergen add-model case"
    assert [line.partition(":")[0] for line in said[1:] if "stale-region" in line] == [
        "adapter_docs/model_overview.md",
        "generated/__init__.py",
        "generated/models/__init__.py",
        "generated/models/head_conversions.py",
        "utils/check_adapters.py",
    ]
    mend = "delete it, or run `adaptergen add-model case`"
    assert [line for line in said if "left-over" in line] == [
        f"{path} left-over: generated for case, which has no plan → {mend}"
        for path in (
            "generated/models/case/__init__.py",
            "generated/models/case/adapter_model.py",
            "generated/models/case/mixin_case.py",
            "generated/models/case/modeling_case.py",
            "tests_adapters/models/test_case.py",
        )
    ]


def test_a_file_that_no_template_gives(two: Path) -> None:
    (two / "generated/models/case/old.py").write_text("OLD = 1\n")

    assert problems(two) == [
        "generated/models/case/old.py left-over: a generated file belongs to no plan → adaptergen update --all"
    ]


def test_what_people_write_beside_is_theirs(two: Path) -> None:
    (two / "tests_adapters/models/test_mine.py").write_text("MINE = 1\n")
    (two / "generated/models/mine.py").write_text("MINE = 1\n")
    replaced("generated/__init__.py", "# adaptergen: begin exports", "MINE = 1\n# adaptergen: begin exports")(two)

    assert problems(two) == []


def test_only_what_is_named_is_checked(two: Path) -> None:
    without("adapter_docs/classes/models/case.rst")(two)

    assert problems(two, "my_case") == []
    assert problems(two, "my-case") == []
    assert len(problems(two, "case")) == 1


def test_the_command_tells_all_at_once_and_changes_nothing(two: Path) -> None:
    for path in MISSING:
        without(path)(two)
    before = fingerprint(two)
    result = run(two, "check")
    as_json = run(two, "check", "--json")

    assert (result.exit_code, result.stdout) == (1, "")
    assert (
        result.stderr
        == "".join(
            f"{path}: error[missing]: {MISSING[path]} is missing; fix: adaptergen update --all\n"
            for path in sorted(MISSING)
        )
        + "3 problems\n"
    )
    assert as_json.exit_code == 1
    assert [problem["path"] for problem in json.loads(as_json.stdout)["problems"]] == sorted(MISSING)
    assert fingerprint(two) == before
    done(two, "update", "--all", "--no-verify")
    assert json.loads(done(two, "check", "--json")) == {"models": ["case", "my_case"], "problems": []}


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [("a\n", "b\n", 1), ("a\nb\n", "a\nc\n", 2), ("a\n", "a\nb\n", 2), ("a\nb\n", "a\n", 2), ("", "a\n", 1)],
)
def test_the_first_line_that_differs(before: str, after: str, line: int) -> None:
    assert first_difference(before, after) == line
