"""Where a project keeps its package, tests, docs and templates: the table [tool.adaptergen] of its pyproject.toml."""

from __future__ import annotations

import re

from msgspec import Struct

from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.text_files import read_toml


class Settings(Struct, frozen=True):
    """Folders, relative to the project; `templates` is "" when the tool's own templates are used."""

    package: str = "generated"
    tests: str = "tests_adapters"
    docs: str = "adapter_docs"
    templates: str = ""

    def placed(self, path: str) -> str:
        """A path of the template tree as it is called in this project."""
        top, _, rest = path.partition("/")
        folders = {"generated": self.package_folder, "tests_adapters": self.tests, "adapter_docs": self.docs}
        return f"{folders.get(top, top)}/{rest}"

    @property
    def package_folder(self) -> str:
        return self.package.replace(".", "/")

    def model_folder(self, name: str) -> str:
        return f"{self.package_folder}/models/{name}"

    def plan_path(self, name: str) -> str:
        return f"{self.model_folder(name)}/plan.toml"


def read_settings(pyproject: str, path: str) -> Settings | None:
    """The settings of a project, or None when its pyproject.toml has no such table.

    Raises:
        ProblemsFound: the file is not TOML, or a key is unknown or not a plain relative folder.
    """
    tools = read_toml(pyproject, path, code="bad-settings", fix="mend it there").get("tool", {})
    table = tools.get("adaptergen") if isinstance(tools, dict) else None
    if table is None:
        return None
    problems = _objections(table, pyproject, path)
    if problems:
        raise ProblemsFound(*problems)
    return Settings(**table)


def checked_settings(settings: Settings) -> Settings:
    """
    Raises:
        ProblemsFound: a name is not what it has to be.
    """
    table = {name: value for name in EXPECTED if (value := getattr(settings, name))}
    problems = _objections(table, "", "pyproject.toml")
    if problems:
        raise ProblemsFound(*problems)
    return settings


PACKAGE = r"[a-zA-Z_]\w*(\.[a-zA-Z_]\w*)*"
TESTS = r"[a-zA-Z_]\w*(/[a-zA-Z_]\w*)*"
FOLDER = r"\w[\w.-]*(/\w[\w.-]*)*"
EXPECTED = {  # setting → its form, and how that is said
    "package": (PACKAGE, "the dotted name of a Python package"),
    "tests": (TESTS, "the folder of a Python package inside the project"),
    "docs": (FOLDER, "a folder inside the project"),
    "templates": (FOLDER, "a folder inside the project"),
}


def _objections(table: object, pyproject: str, path: str) -> list[Problem]:
    """Everything that is wrong with the table."""
    if not isinstance(table, dict):
        fix = "write it as a table: [tool.adaptergen], and the settings below it"
        return [Problem("bad-settings", "tool.adaptergen is not a table", Location(path), fix)]
    fix = f"the settings are {', '.join(EXPECTED)}"
    return [
        Problem("bad-settings", f"tool.adaptergen.{key} {reason}", Location(path, _line_of(key, pyproject)), fix)
        for key, value in table.items()
        if (reason := _objection(key, value))
    ]


def _objection(key: str, value: object) -> str:
    if key not in EXPECTED:
        return "is not a setting"
    form, expected = EXPECTED[key]
    if not isinstance(value, str) or not re.fullmatch(form, value, re.ASCII):
        return f"must be {expected}, not {value!r}"
    return ""


def _line_of(key: str, pyproject: str) -> int:
    """Where a setting stands, 0 if it is not written in the usual way."""
    before = re.search(rf"^\[tool\.adaptergen\][^\[]*?(?=^{re.escape(key)}\s*=)", pyproject, re.MULTILINE)
    return pyproject[: before.end()].count("\n") + 1 if before else 0
