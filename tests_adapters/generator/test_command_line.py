"""Is the command line as people expect it: help, exit codes, folders, colours, and nothing imported in vain?"""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from adaptergen.cli import main
from adaptergen.upstream import Upstream, installed_transformers
from tests_adapters.generator.projects import done, python, run
from tests_adapters.generator.trees import fingerprint, make_project


COMMANDS = (
    "init", "add-model", "plan", "show", "diff", "update", "remove-model", "list", "check", "verify", "train-example",
    "survey",
)  # fmt: skip
HEAVY = ("libcst", "jinja2", "torch", "transformers")


def imported(command: str, **environment: str) -> list[str]:
    """Which of the heavy packages a command imports."""
    code = (
        "import sys\n"
        "from adaptergen.cli import main\n"
        f"try: main({shlex.split(command)!r}, prog_name='adaptergen')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules], sep='\\n', file=sys.stderr)\n"
    )
    process = python("-c", code, **environment)
    assert process.returncode == 0, process.stderr
    return process.stderr.split()


def test_every_command_is_there() -> None:
    assert set(main.commands) == set(COMMANDS)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_help_has_an_example_of_its_own(command: list[str]) -> None:
    """On a line to be copied, which is valid: whatever it names exists."""
    text = CliRunner().invoke(main, [*command, "--help"]).stdout
    examples = [
        line.strip() for line in text.splitlines() if line.strip().startswith(" ".join(["adaptergen", *command]))
    ]

    assert examples
    for example in examples:
        words = shlex.split(example.partition("  ")[0].partition(" | ")[0])[1:]
        arguments = [_existing(word) if re.search(r"[^\d]/", word) else word for word in words[1:]]
        main.commands[words[0]].make_context(words[0], arguments, obj=Path())


def _existing(path: str) -> str:
    """A file in the place of a file, a folder in the place of a folder."""
    return __file__ if Path(path).suffix else str(Path(__file__).parent)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    options = [parameter for parameter in main.commands[name].params if isinstance(parameter, click.Option)]

    assert all(option.help for option in options)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["--nothing"],
        ["add-model"],
        ["remove-model"],
        ["plan"],
        ["verify"],
        ["update"],
        ["plan", "one", "two"],
        ["list", "--nothing"],
    ],
    ids=" ".join,
)
def test_wrong_usage(project: Path, arguments: list[str]) -> None:
    result = run(project, *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr
    assert "Error: " in result.stderr


@pytest.mark.parametrize(
    ("command", "fix"),
    [
        ("verify case", "pip install torch"),
        ("train-example case", "pip install torch"),
        ("add-model my_case", "pip install torch, or pass --no-verify"),
        ("update case", "pip install torch, or pass --no-verify"),
        ("survey case --verify", "pip install torch, or leave out --verify"),
    ],
)
def test_models_are_run_with_torch(one: Path, command: str, fix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written, and what is advised the command does have."""
    monkeypatch.setitem(sys.modules, "torch", None)
    before = fingerprint(one)
    result = run(one, *command.split())

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"error[no-torch]: models cannot be run: torch is not installed\n  fix: {fix}\n"
    assert fingerprint(one) == before
    for option in re.findall(r"--[a-z-]+", fix):
        assert option in done(one, command.split()[0], "--help")


def test_transformers_are_needed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    result = run(project, "add-model", "case")

    assert result.exit_code == 1
    assert result.stderr.startswith("error[no-transformers]: transformers is not installed\n  fix: pip install ")


def test_the_folder_of_the_project(one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-C`, or the current folder, or one above it."""
    listed = done(one, "list")
    monkeypatch.chdir(one / "generated/models")

    assert CliRunner().invoke(main, ["list"]).stdout == listed
    assert done(one / "adapter_docs", "list") == listed
    assert run(tmp_path / "nowhere", "list").exit_code == 2
    assert run(one / "pyproject.toml", "list").exit_code == 2


def test_a_project_inside_of_another(one: Path) -> None:
    inner = make_project(one / "inner")

    assert done(inner, "list") == ""
    (inner / "pyproject.toml").write_text("[tool.other]\n")
    assert done(inner, "list").startswith("case ")


def test_as_a_module(project: Path, site: Path) -> None:
    """Exit codes are those of the process, what was asked for goes to stdout, what is wrong to stderr."""
    module = ("-m", "adaptergen", "-C", str(project))
    found = python(*module, "list", "--available", PYTHONPATH=str(site))
    wrong = python(*module, "plan", "cas", PYTHONPATH=str(site))

    assert (found.returncode, found.stdout, found.stderr) == (0, "case\nmy_case\n", "")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "error[unknown-model]" in wrong.stderr


def test_colours_are_for_terminals(project: Path, site: Path) -> None:
    command = [sys.executable, "-m", "adaptergen", "-C", str(project), "add-model", "case", "--diff"]
    plain = python(*command[1:], PYTHONPATH=str(site)).stdout
    coloured = on_a_terminal(command, PYTHONPATH=str(site), TERM="xterm")

    assert "\x1b" not in plain
    assert "\x1b[32m+from typing import Any\x1b[0m" in coloured
    assert "\x1b[36m@@ " in coloured
    assert click.unstyle(coloured).replace("\r\n", "\n") == plain


def on_a_terminal(command: list[str], **environment: str) -> str:
    """What a process prints that believes to be on a terminal."""
    ours, its = pty.openpty()
    process = subprocess.Popen(command, env=environment, stdin=its, stdout=its, stderr=its)
    os.close(its)
    printed = b""
    try:
        while more := os.read(ours, 65536):
            printed += more
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    return printed.decode()


@pytest.mark.parametrize("command", ["--help", "add-model --help", "check --help"])
def test_help_imports_nothing_heavy(command: str) -> None:
    assert imported(command) == []


def test_generating_runs_nothing_of_transformers(tmp_path: Path) -> None:
    """Its real files are read as text; torch may be missing."""
    project = make_project(tmp_path)

    assert imported(f"-C {project} add-model gpt_neo --no-verify") == ["libcst", "jinja2"]
    assert imported(f"-C {project} check") == ["libcst", "jinja2"]


def test_the_installed_transformers_is_what_python_finds(site: Path) -> None:
    assert installed_transformers() == Upstream(site / "transformers")
