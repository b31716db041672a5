"""Is code of other people only ever read? Files that would show it are planned, shown, compared and added."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests_adapters.generator.case import CASES
from tests_adapters.generator.trees import make_project, write_all


# A process that runs one command and notes what Python does meanwhile, whatever becomes of the command.
WATCHED = """\
import atexit, json, os, sys

trap, noted, seen = sys.argv[1], sys.argv[2], []


def consts(code):
    yield code.co_filename
    for each in code.co_consts:
        yield from consts(each) if hasattr(each, "co_consts") else (each,)


def watch(event, arguments):
    if event == "exec" and any(isinstance(each, str) and trap in each for each in consts(arguments[0])):
        seen.append(["exec", arguments[0].co_filename])
    elif event == "import" and str(arguments[0]).partition(".")[0] in ("torch", "transformers", "mine"):
        seen.append([event, arguments[0]])
    elif event in ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect", "ctypes.dlopen"):
        seen.append([event, repr(arguments[0])])
    elif event == "open" and "springs" in str(arguments[0]):
        seen.append([event, arguments[0]])


import adaptergen.cli

sys.addaudithook(watch)
status = "gone"
try:
    adaptergen.cli.main(sys.argv[3:], standalone_mode=False)
    status = 0
except SystemExit as ended:
    status = ended.code
descriptor = os.open(noted, os.O_CREAT | os.O_WRONLY)
os.write(descriptor, json.dumps([status, seen]).encode())
"""

TRAP = "springs-the-trap"
ACT = f"__import__('pathlib').Path({TRAP!r}).touch() or __import__('os').system('touch {TRAP}') or exit(77)"

MODELING = f"""
import os, sys, subprocess

open({TRAP!r}, "w").write("x")
os.system("touch {TRAP}")
subprocess.run(["touch", {TRAP!r}])
sys.exit(77)
{ACT}


class Meta(type):
    def __new__(mcs, *args, **kwargs):
        {ACT}
        return super().__new__(mcs, *args, **kwargs)

    def __prepare__(name, bases, **kwargs):
        {ACT}


class Trap(metaclass=Meta, key=({ACT})):
    value: ({ACT}) = f"{{{ACT}!r:>{{({ACT})}}}}"
    __class_getitem__ = {ACT}

    def __init_subclass__(cls):
        {ACT}

    def __del__(self):
        {ACT}


@({ACT})
@(lambda made: {ACT})
def trap(x: ({ACT}) = {ACT}, *, y=[({ACT}) for _ in range(3)]) -> ({ACT}):
    return {ACT}


sys.setprofile(lambda *_: {ACT})
__getattr__ = __path__ = __all__ = {ACT}
assert {ACT}, f"{{{ACT}}}"
if __name__ != "__main__":
    {ACT}
"""

# Where values are read: a configuration's fields, its defaults, properties, and what translates names.
CONFIGURATION = f"""
open({TRAP!r}, "w").write("x")


class CaseConfig(PreTrainedConfig):
    model_type = "case"
    {ACT}
    hidden_size: int = {ACT}
    num_attention_heads: ({ACT}) = f"{{{ACT}}}"
    attribute_map = {{"hidden_dropout_prob": ({ACT}), **({ACT}), "num_layers": "num_hidden_layers"}}

    def __init__(self, num_hidden_layers={ACT}, **kwargs):
        {ACT}

    @property
    def hidden_dropout_prob(self):
        {ACT}
        return 0.1

    @hidden_dropout_prob.setter
    def hidden_dropout_prob(self, value):
        {ACT}

    @classmethod
    def from_pretrained(cls, *args, **kwargs):
        {ACT}

    def __getattribute__(self, name):
        return {ACT}
"""


@pytest.fixture
def trapped(tmp_path: Path) -> Path:
    """A project beside a model whose files do harm wherever something of them is run."""
    texts = {path.name: path.read_text() for path in (CASES / "pre_norm").glob("*.py")}
    head, _, rest = texts["modeling_case.py"].partition("\n\n\n")
    traps = {
        "mine/__init__.py": MODELING,
        "mine/setup.py": MODELING,
        "mine/conftest.py": MODELING,
        "mine/sitecustomize.py": MODELING,
        "mine/modeling_mine.py": f"{head}\n{MODELING}\n\n{rest}",
        "mine/configuration_mine.py": f"{texts['configuration_case.py'].partition('class ')[0]}{CONFIGURATION}",
    }
    write_all(
        tmp_path, {path: text.replace("configuration_case", "configuration_mine") for path, text in traps.items()}
    )
    make_project(tmp_path / "project")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ("add-model", "mine", "--source", "SOURCE", "--no-verify"),
        ("add-model", "mine", "--source", "SOURCE", "--no-verify", "--pr-body", "PAGE"),
        ("add-model", "mine", "--source", "SOURCE", "--dry-run"),
    ],
    ids=["added", "added with a page", "shown before"],
)
def test_nothing_is_run_of_a_file_that_is_given(trapped: Path, command: tuple[str, ...]) -> None:
    told = [word.replace("SOURCE", "../mine/modeling_mine.py").replace("PAGE", "../page.md") for word in command]

    assert watched(trapped, *told) == [0, []]


def test_nothing_is_run_of_a_model_that_is_there(trapped: Path) -> None:
    """Planned, shown, compared, drawn, updated and checked, in this order and in the folder of the traps."""
    assert watched(trapped, "add-model", "mine", "--source", "../mine/modeling_mine.py", "--no-verify") == [0, []]
    for command in (
        ["plan", "mine"],
        ["show", "mine", "--svg", "../mine.svg"],
        ["diff", "mine"],
        ["diff", "mine", "--upstream", "--html", "../mine.html"],
        ["update", "mine", "--no-verify"],
        ["check"],
        ["list"],
        ["remove-model", "mine"],
    ):
        assert (command, watched(trapped, *command)) == (command, [0, []])


def test_what_is_run_is_noticed(trapped: Path) -> None:
    """The watch itself: it sees a file that is run."""
    code = f"{WATCHED.partition('import adaptergen.cli')[0]}\nsys.addaudithook(watch)\n"
    run = "try:\n    exec(compile(open(sys.argv[3]).read(), 'mine', 'exec'))\nexcept BaseException:\n    print(seen)"
    process = subprocess.run(
        [sys.executable, "-c", f"{code}{run}", TRAP, "noted", str(trapped / "mine/modeling_mine.py")],
        cwd=trapped / "project", capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert "['exec', 'mine']" in process.stdout


def watched(folder: Path, *command: str) -> list[object]:
    """How a command ended that was run in the folder of the project, and what it did that it should not."""
    noted = folder / "noted.json"
    noted.unlink(missing_ok=True)
    process = subprocess.run(
        [sys.executable, "-c", WATCHED, TRAP, str(noted), "-C", str(folder / "project"), *command],
        cwd=folder / "project", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert noted.exists(), process.stderr
    assert not [path for path in folder.rglob("*") if TRAP in path.name]
    told = json.loads(noted.read_text())
    assert isinstance(told, list)
    return told if told[0] == 0 else [*told, process.stderr]
