"""Is every block of code on a page run, or does it say why not? And are the commands that pages name there?"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from adaptergen.cli import main
from benchmarks.__main__ import main as benchmark
from tests_adapters.pages.blocks import PAGES, ROOT, Block, all_blocks


BLOCKS = tuple(all_blocks())
COMMANDS = [(block, command) for block in BLOCKS for command in block.commands]
RUN = [block for block in BLOCKS if block.language == "console" and not block.why_not]
LEFT_OUT = (".git", ".venv*", ".demo", ".*_cache", "__pycache__", "_build")

# How many blocks of a page are not run: whoever adds one has to say so here, too.
NOT_RUN = {
    "CONTRIBUTING.md": 1,
    "README.md": 1,
    "adapter_docs/adapters_profile.md": 2,
    "adapter_docs/checking.md": 2,
    "adapter_docs/distributed.md": 3,
    "adapter_docs/examples.md": 3,
    "adapter_docs/following.md": 2,
    "adapter_docs/installing.md": 3,
    "adapter_docs/mutations.md": 1,
    "adapter_docs/new_project.md": 1,
    "adapter_docs/reliability.md": 3,
    "adapter_docs/surveying.md": 3,
    "adapter_docs/testing.md": 1,
    "adapter_docs/versions.md": 1,
    "benchmarks/README.md": 1,
}


def test_what_is_not_run() -> None:
    counted = {
        str(page.relative_to(ROOT)): sum(block.page == page and bool(block.why_not) for block in BLOCKS)
        for page in PAGES
    }
    assert {page: count for page, count in counted.items() if count} == NOT_RUN


def test_python_is_always_run() -> None:
    assert [str(block) for block in BLOCKS if block.language == "python" and block.why_not] == []


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_language(block: Block) -> None:
    """What has a prompt is a `console`, and what a parser knows can be parsed; all else is a picture or a message."""
    assert block.language in {"python", "console", "toml", "yaml", "text", ""}
    assert bool(block.commands) == (block.language == "console")
    if block.language == "toml":
        assert tomllib.loads(block.text)
    if block.language == "yaml":
        assert yaml.safe_load(block.text)


@pytest.mark.parametrize(("block", "command"), COMMANDS, ids=lambda value: str(value))
def test_command_exists(block: Block, command: str) -> None:
    """Whether it is run or not: its name, its options, its arguments; a target of make; a file that Python runs."""
    words = [word for word in shlex.split(command) if "=" not in word or word.startswith("-")]
    words = words[: next((place for place, word in enumerate(words) if word in ("|", ">")), None)]
    match words:
        case ["adaptergen", "--version"]:
            pass
        case ["adaptergen", *arguments]:
            expect_parsed(arguments)
        case ["python" | ".venv/bin/python", "-m", "benchmarks", *arguments]:
            benchmark.make_context("benchmarks", list(arguments)).close()
        case ["make", target]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        case ["python" | ".venv/bin/python", path, *_] if path.endswith(".py"):
            assert (ROOT / path).is_file()
        case _:
            assert block.why_not
            assert words[0] in {"accelerate", "cd", "pip", "pre-commit", "pytest", "python", "torchrun"}


def expect_parsed(arguments: list[str]) -> None:
    """A command line of `adaptergen` that click understands; folders that it names need not be there."""
    with main.make_context("adaptergen", list(arguments), resilient_parsing=False) as context:
        name, command, rest = main.resolve_command(context, [*context._protected_args, *context.args])
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert [word for word in rest if word.startswith("--") and word not in options] == []
        required = [each for each in command.params if isinstance(each, click.Argument) and each.required]
        assert len(rest) >= len(required), name


def test_a_command_that_is_not_there_is_noticed() -> None:
    for wrong in (["show", "gpt_neo", "--png", "x"], ["draw", "gpt_neo"], ["show"]):
        with pytest.raises((AssertionError, click.UsageError)):
            expect_parsed(wrong)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this project, for commands that write."""
    folder = tmp_path_factory.mktemp("pages") / "project"
    return shutil.copytree(ROOT, folder, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))


@pytest.mark.slow
@pytest.mark.parametrize("block", RUN, ids=str)
def test_console(block: Block, project: Path, tmp_path: Path) -> None:
    """Its commands end well, and print each line that the page shows; `…` stands for anything."""
    if any("examples/" in command for command in block.commands):
        pytest.importorskip("datasets", reason="needs the extra `examples`")
    here = tmp_path / "bin"
    here.mkdir()
    for name, arguments in (("python", ""), ("adaptergen", "-m adaptergen ")):
        (here / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments}"$@"\n')
        (here / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{here}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(project)}

    def shell(command: str) -> str:
        done = subprocess.run(command, shell=True, cwd=project, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{block}: {command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout + done.stderr  # a terminal shows both

    for added in re.findall(r"^adaptergen add-model (\w+)$", "\n".join(block.commands), re.MULTILINE):
        shell(f"adaptergen remove-model {added}")
    printed = "".join(map(shell, block.commands)).splitlines()
    for line in block.printed:
        pattern = ".*".join(map(re.escape, line.split("…")))
        assert any(re.fullmatch(pattern, each) for each in printed), line
