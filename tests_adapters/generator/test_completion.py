"""What shells offer behind a command: names of architectures, or of the models that a project has."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from adaptergen.cli import main
from tests_adapters.generator.projects import two_models
from tests_adapters.generator.trees import make_project


def completed(*words: str, shell: str = "bash") -> list[str]:
    """What is offered for the last of some words. Each line says what kind of word it is: "plain,gpt_neo"."""
    # Fish tells the word that is being typed, the others its position.
    position = words[-1] if shell == "fish" else str(len(words))
    environment = {
        "_ADAPTERGEN_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": " ".join(("adaptergen", *words)),
        "COMP_CWORD": position,
    }
    result = CliRunner().invoke(main, env=environment, prog_name="adaptergen", catch_exceptions=False)
    return [word.removeprefix("plain,") for word in result.stdout.split()]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a model, beside a transformers of two."""
    folder = make_project(tmp_path / "project")
    (folder / "generated/models/mine").mkdir(parents=True)
    (folder / "generated/models/mine/plan.toml").touch()
    monkeypatch.setattr("adaptergen.upstream.installed_transformers", lambda: two_models(tmp_path / "transformers"))
    return folder


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(shell: str) -> None:
    environment = {"_ADAPTERGEN_COMPLETE": f"{shell}_source"}
    script = CliRunner().invoke(main, env=environment, prog_name="adaptergen").stdout
    assert f"_ADAPTERGEN_COMPLETE={shell}_complete" in script


@pytest.mark.parametrize("shell", ["bash", "fish"])
@pytest.mark.parametrize("command", ["show", "plan", "diff", "add-model", "survey"])
def test_architectures(project: Path, command: str, shell: str) -> None:
    assert completed("-C", str(project), command, "m", shell=shell) == ["mine", "my_case"]


@pytest.mark.parametrize("command", ["update", "remove-model", "verify", "check"])
def test_models_of_the_project(project: Path, command: str) -> None:
    assert completed("-C", str(project), command, "m") == ["mine"]


def test_further_names(project: Path) -> None:
    assert completed("-C", str(project), "add-model", "case", "my") == ["my_case"]


def test_outside_of_projects_there_are_still_architectures(project: Path) -> None:
    outside = str(project.parent)
    assert completed("-C", outside, "show", "") == ["case", "my_case"]
    assert completed("-C", outside, "update", "") == []


def test_commands_and_options() -> None:
    assert completed("rem") == ["remove-model"]
    assert completed("show", "--s") == ["--svg"]
