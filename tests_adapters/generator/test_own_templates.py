"""Can a project bring templates of its own, and is what is wrong with them told with its line?"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from adaptergen.workspace import OWN_TEMPLATES
from tests_adapters.generator.projects import done, run
from tests_adapters.generator.trees import PYPROJECT, fingerprint


PAGE = "templates/adapter_docs/classes/models/{name}.rst.jinja"


@pytest.fixture
def own(project: Path) -> Path:
    """A project with copies of adaptergen's templates."""
    (project / "pyproject.toml").write_text(f'{PYPROJECT}templates = "templates"\n')
    shutil.copytree(next(folder for folder in OWN_TEMPLATES if folder.is_dir()), project / "templates")
    return project


def refused(project: Path) -> str:
    before = fingerprint(project)
    result = run(project, "add-model", "case", "--no-verify")

    assert (result.exit_code, result.stdout) == (1, "")
    assert fingerprint(project) == before
    return result.stderr


def test_a_changed_template_changes_every_model(own: Path) -> None:
    done(own, "add-model", "case", "my_case", "--no-verify")
    (own / PAGE).write_text("{{ plan.title }}, as we say it\n")

    assert done(own, "update", "--all", "--no-verify").splitlines() == [
        "update  adapter_docs/classes/models/case.rst",
        "update  adapter_docs/classes/models/my_case.rst",
        "2 models: 2 unchanged",
    ]
    assert (own / "adapter_docs/classes/models/case.rst").read_text() == "Case, as we say it\n"


def test_a_new_template_is_a_new_file(own: Path) -> None:
    (own / "templates/examples").mkdir()
    (own / "templates/examples/{name}.md.jinja").write_text("# {{ plan.adapter_model.name }}\n")

    assert "create  examples/case.md\n" in done(own, "add-model", "case", "--no-verify")
    assert (own / "examples/case.md").read_text() == "# CaseAdapterModel\n"
    assert "delete  examples/case.md\n" in done(own, "remove-model", "case")
    assert not (own / "examples").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{% if %}", "Expected an expression, got 'end of statement block'"),
        ("{% for x in plan.heads %}", "Unexpected end of template."),
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{{ plan.nothing }}", "'adaptergen.plan.IntegrationPlan object' has no attribute 'nothing'"),
        ("{{ title | nothing }}", "No filter named 'nothing'."),
        ("{{ title + 1 }}", 'TypeError: can only concatenate str (not "int") to str'),
        ("{{ 1 // 0 }}", "ZeroDivisionError: "),
    ],
)
def test_a_broken_template_has_its_line(own: Path, line: str, message: str) -> None:
    (own / PAGE).write_text(f"{{{{ title }}}}\n\n{line}\n")
    told = refused(own)

    assert told.startswith(f"{PAGE}:3: error[bad-template]: {message}")
    assert told.endswith("\n  fix: mend the template\n")


def test_a_template_that_is_not_text(own: Path) -> None:
    (own / PAGE).write_bytes(b"caf\xe9\n")

    assert refused(own).startswith(f"{PAGE}: error[bad-template]: UnicodeDecodeError: ")


def test_a_template_that_every_model_would_write_over(own: Path) -> None:
    (own / "templates/adapter_docs/notes.md.jinja").write_text("{{ title }}\n")

    assert refused(own) == (
        "templates/adapter_docs/notes.md.jinja: error[bad-template]: every model would write the same file\n"
        "  fix: put {name} into the template's path\n"
    )


def test_a_template_of_a_region_that_is_missing(own: Path) -> None:
    (own / "templates/_regions/model-table.jinja").unlink()

    assert refused(own) == (
        "templates/_regions/model-table.jinja: error[no-template]: there is no such template\n"
        "  fix: add it, or remove `templates` from [tool.adaptergen] to use those of adaptergen\n"
    )


def test_a_folder_of_templates_that_is_missing(own: Path) -> None:
    shutil.rmtree(own / "templates")

    assert refused(own) == (
        "templates: error[no-templates]: there is no such folder of templates\n"
        "  fix: make it, or remove `templates` from [tool.adaptergen] to use those of adaptergen\n"
    )
