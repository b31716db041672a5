"""How is a text of somebody else read, and what is said when it cannot be?"""

from __future__ import annotations

import ast
import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import rtoml  # compiled: the standard library takes most of the time that the plans of a project take

from adaptergen.problems import Location, Problem, ProblemsFound


def read_text(path: Path, shown: str) -> str:
    """The text of a file, line ends as they are, which is called `shown` when people are told of it.

    Raises:
        ProblemsFound: it is not a readable UTF-8 text file.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        message, fix = f"cannot be read: {error.strerror or error}", "put a readable file there"
        raise ProblemsFound(Problem("unreadable", message, Location(shown), fix)) from error
    except UnicodeDecodeError as error:
        at = Location(shown, error.object[: error.start].count(b"\n") + 1)
        message, fix = f"is not UTF-8 text (byte {error.start})", "save the file as UTF-8"
        raise ProblemsFound(Problem("not-utf-8", message, at, fix)) from error


class PythonFile(NamedTuple):
    text: str
    tree: ast.Module  # that Python's own parser makes of it


def read_python(path: Path, shown: str) -> PythonFile:
    """A Python file whose lines are lines to everybody.

    Raises:
        ProblemsFound: it is no such file.
    """
    text = read_text(path, shown)
    odd = _odd_line(text, shown)
    if odd:
        raise ProblemsFound(odd)
    return PythonFile(text, parse_python(text, shown))


def parse_python(text: str, shown: str) -> ast.Module:
    """What Python's own parser says; nesting that it refuses would crash others.

    Raises:
        ProblemsFound: it is not Python.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(text)
    except (RecursionError, MemoryError):
        problem = Problem("too-deep", "nested too deeply to be parsed", Location(shown), _NOT_PYTHON)
    except SyntaxError as error:
        at = Location(shown, error.lineno or 0)
        problem = Problem("not-python", f"not valid Python: {error.msg}", at, _NOT_PYTHON)
    except ValueError as error:  # a zero byte
        problem = Problem("not-python", f"not valid Python: {error}", Location(shown), _NOT_PYTHON)
    raise ProblemsFound(problem)


def read_toml(text: str, shown: str, *, code: str, fix: str) -> dict[str, Any]:
    """
    Args:
        shown: what people are told the file is called.
        code, fix: of the problem with it, if there is one.

    Raises:
        ProblemsFound: it is not TOML.
    """
    try:
        return rtoml.loads(text)
    except rtoml.TomlParsingError as error:
        line = re.search(r"at line (\d+)", str(error))
        at = Location(shown, int(line.group(1)) if line else 0)
        raise ProblemsFound(Problem(code, f"not valid TOML: {error}", at, fix)) from error


def refuse_conflicts(text: str, shown: str) -> None:
    """
    Raises:
        ProblemsFound: git has left both sides of a merge in the text.
    """
    found = _CONFLICT.search(text) if "<<<<<<<" in text else None
    if found is None:
        return
    at = Location(shown, text.count("\n", 0, found.start()) + 1)
    message = "has the marks of a merge that is not resolved"
    fix = "resolve and commit it; `adaptergen update --all` then writes its regions anew: there, either side will do"
    raise ProblemsFound(Problem("conflict", message, at, fix))


_CONFLICT = re.compile(r"^<{7} .*?^={7}\r?$.*?^>{7} ", re.MULTILINE | re.DOTALL)


def _odd_line(text: str, shown: str) -> Problem | None:
    """Borrowed methods are compared line by line with what git, editors and Python show."""
    lines = enumerate(text.split("\n"), 1)
    broken = (number for number, line in lines if line.startswith("\ufeff") or len(f"{line}.".splitlines()) > 1)
    first = next(broken, 0)
    if not first:
        return None
    message = "has a byte order mark, or a line break that is not a plain line feed"
    return Problem("odd-text", message, Location(shown, first), "save the file as UTF-8 with Unix line ends")


_NOT_PYTHON = "give a Python modeling file, such as modeling_<name>.py"
