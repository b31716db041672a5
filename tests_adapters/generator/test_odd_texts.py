"""Do texts of other people stay texts: in generated code, on pages, on terminals, and where a plan becomes code?"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from adaptergen.cli.reporting import echo_diff
from adaptergen.plan import IntegrationPlan
from adaptergen.plan_file import dump, load
from adaptergen.plan_forms import misshapen, unencodable
from adaptergen.problems import ProblemsFound
from adaptergen.rendering import Templates
from adaptergen.rendering.environment import cell, columns, quoted, rst
from adaptergen.settings import Settings
from tests_adapters.generator.case import CASES, integration, plan_of
from tests_adapters.generator.projects import done, run
from tests_adapters.generator.trees import fingerprint, write_all


TEMPLATES = Path(__file__).parents[2] / "templates"


@pytest.mark.parametrize(
    "text", ["", 'a"b', "\\", "\\n", "a\nb", "a\rb\x00\x0c\u2028\u202e", "\ud800", "ü漢", '"""', "{{ x }}"]
)
def test_quoted_is_the_same_text_in_python(text: str) -> None:
    literal = quoted(text)

    assert ast.literal_eval(literal) == text
    assert literal.isprintable()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain text", "plain text"),
        ("2 layers", "2 layers"),
        (".. include:: /etc/passwd", "\\.. include\\:: /etc/passwd"),
        ("- item", "\\- item"),
        ("1. item", "\\1. item"),
        ("a) item", "\\a) item"),
        ("(a) item", "\\(a) item"),
        ("(IA)³ and (more)", "(IA)³ and (more)"),
        ("`run`_ |x| *y* <z>", "\\`run\\`\\_ \\|x\\| \\*y\\* \\<z\\>"),
        ("ends so::", "ends so\\::"),
        ("a\n\n.. raw:: html", "a .. raw\\:: html"),
        ("\x1b[31m\u202e", "\\[31m"),
    ],
)
def test_text_on_pages_of_sphinx(text: str, written: str) -> None:
    assert rst(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain text", "plain text"),
        ("a | b", "a \\| b"),
        ("# heading", "\\# heading"),
        ("[x](javascript:y)", "\\[x\\](javascript:y)"),
        ("&lt;script&gt; <b>", "\\&lt;script\\&gt; \\<b\\>"),
        ("a\n| b |", "a \\| b \\|"),
        ("1. item", "\\1. item"),
    ],
)
def test_text_in_cells_of_markdown(text: str, written: str) -> None:
    assert cell(text) == written


def test_underlines_are_as_wide_as_titles() -> None:
    assert columns("Größe 漢字") == 10


Change = Callable[[IntegrationPlan], IntegrationPlan]


def _source(**more: object) -> Change:
    return lambda plan: replace(plan, source=replace(plan.source, **more))


def _classes(**more: object) -> Change:
    return lambda plan: replace(plan, classes=replace(plan.classes, **more))


def _model(**more: object) -> Change:
    return lambda plan: replace(plan, adapter_model=replace(plan.adapter_model, **more))


def _residual(**more: object) -> Change:
    return lambda plan: replace(plan, residuals=(replace(plan.residuals[0], **more),))


INJECTED = "X: pass\nimport os"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda plan: replace(plan, title='x"""; import os; """'), "title"),
        (lambda plan: replace(plan, title="x\n"), "title"),
        (lambda plan: replace(plan, model_type='x"'), "model_type"),
        (_source(module="a.b; c"), "source.module"),
        (_classes(base=INJECTED), "classes.base"),
        (_classes(config="class"), "classes.config"),
        (_classes(holders=("Good", "not good")), "classes.holders"),
        (_model(name=INJECTED), "adapter_model.name"),
        (_model(base_attribute="a.b"), "adapter_model.base_attribute"),
        (_model(generation="a b"), "adapter_model.generation"),
        (_model(lm_scale="1; import os"), "adapter_model.lm_scale"),
        (_model(lm_scale="1)\nimport os\n(1"), "adapter_model.lm_scale"),
        (_model(parameters=("x=1): import os; (",)), "adapter_model.parameters"),
        (_model(parameters=("x, y",)), "adapter_model.parameters"),
        (_model(parameters=("x): ...\ndef g(y",)), "adapter_model.parameters"),
        (_residual(slot="a.b"), "residuals[0].slot"),
        (_residual(branch="x; y"), "residuals[0].branch"),
        (_residual(because="\ud800"), "residuals[0].because"),
    ],
)  # fmt: skip
def test_a_plan_that_would_be_other_code(change: Change, where: str) -> None:
    """Also if a person has written it into the plan."""
    plan = change(plan_of("pre_norm"))

    assert where in {place for place, _ in (*misshapen(plan), *unencodable(plan))}
    with pytest.raises(ProblemsFound):
        dump(plan)


def test_a_plan_that_somebody_has_edited_so_is_refused_with_the_line() -> None:
    text = dump(plan_of("pre_norm")).replace('base = "CaseModel"', "base = \"CaseModel; print('x')\"")

    with pytest.raises(ProblemsFound, match=r"plan.toml:\d+: error\[bad-plan\]: classes.base is .CaseModel; print"):
        load(text, "plan.toml")


def test_parameters_of_every_kind_are_taken() -> None:
    parameters = ("x", "x: int = 3", "*args: int", "**kwargs: Unpack[dict]", "x=lambda y: 1", "x: 'a, b' = (1, 2)")

    assert not list(misshapen(_model(parameters=parameters)(plan_of("pre_norm"))))


def test_jinja_in_a_file_stays_what_it_is(project: Path, site: Path) -> None:
    """In its docstring, which names the model, in comments that are copied, and in code that is borrowed."""
    text = (CASES / "pre_norm/modeling_case.py").read_text()
    text = text.replace('"""Case model:', '# Copyright {{ package }} {% raw %}\n"""{{ title }} model:')
    text = text.replace(
        "        residual = hidden_states\n", "        residual = hidden_states  # {{ 7 * 7 }} {% if %}\n"
    )
    write_all(site, {"transformers/models/case/modeling_case.py": text})
    done(project, "add-model", "case", "--no-verify")
    written = (project / "generated/models/case/modeling_case.py").read_text()

    assert "# Copyright {{ package }} {% raw %}" in written
    assert "{{ 7 * 7 }} {% if %}" in written
    assert "{{ title }}" not in written
    assert done(project, "check") == "1 model is as adaptergen writes them\n"


@pytest.mark.parametrize(
    "name", ["modeling-mine.py", "1modeling.py", "modeling mine.py", "modeling;import os.py", "class.py"]
)
def test_a_file_that_no_import_can_name(project: Path, name: str) -> None:
    source = project.with_name(name)
    source.write_bytes((CASES / "pre_norm/modeling_case.py").read_bytes())
    before = fingerprint(project)
    result = run(project, "add-model", "mine", "--source", str(source), "--no-verify")

    assert result.exit_code == 1
    assert f"error[bad-module]: cannot be imported: {source.stem!r} is no name of a Python module" in result.stderr
    assert fingerprint(project) == before


@pytest.mark.parametrize("value", [r'"a\"b"', r'"a\nb"', r'"\ud800"', '"../x"', 'b"x"', '"{{ x }}"', '"<b>"'])
def test_a_model_type_that_is_no_word(project: Path, value: str) -> None:
    folder = project.with_name("code")
    texts = {path.name.replace("case", "mine"): path.read_text() for path in (CASES / "pre_norm").glob("*.py")}
    texts["modeling_mine.py"] = texts["modeling_mine.py"].replace("configuration_case", "configuration_mine")
    texts["configuration_mine.py"] = texts["configuration_mine.py"].replace('"case"', value)
    write_all(folder, texts)
    before = fingerprint(project)
    result = run(project, "add-model", "mine", "--source", str(folder / "modeling_mine.py"), "--no-verify")

    assert result.exit_code == 1
    assert "error[bad-model-type]" in result.stderr
    assert fingerprint(project) == before


def test_a_title_of_another_script_is_underlined_in_full() -> None:
    made = integration("pre_norm")
    plan = replace(made.plan, title="漢字")
    page = Templates(TEMPLATES, Settings()).render(plan, made.borrowed, made.source.text)[
        "adapter_docs/classes/models/case.rst"
    ]

    assert page.startswith("漢字\n====\n")


def test_a_diff_does_not_steer_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Which a file or a pipe gets as it is, for `patch`."""
    line = "+# \x1b]0;title\x07\u202eüber\tso"
    echo_diff(line)
    assert capsys.readouterr().out == f"{line}\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    echo_diff(line)
    assert "# \\x1b]0;title\\x07\\u202eüber\tso" in capsys.readouterr().out
