"""Where a project keeps its package, tests, docs and templates: the table [tool.adaptergen] of its pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields

from adaptergen.problems import Location, Problem, ProblemsFound


@dataclass(frozen=True)
class Settings:
    """Folders, relative to the project; `templates` is "" when the tool's own templates are used."""

    package: str = "generated"
    tests: str = "tests_adapters"
    docs: str = "adapter_docs"
    templates: str = ""

    def placed(self, path: str) -> str:
        """A path of the template tree as it is called in this project."""
        top, _, rest = path.partition("/")
        folder = {"generated": self.package, "tests_adapters": self.tests, "adapter_docs": self.docs}.get(top, top)
        return f"{folder.replace('.', '/')}/{rest}"

    def model_folder(self, name: str) -> str:
        return f"{self.package.replace('.', '/')}/models/{name}"

    def plan_path(self, name: str) -> str:
        return f"{self.model_folder(name)}/plan.toml"


def read_settings(pyproject: str, path: str) -> Settings | None:
    """The settings of a project, or None when its pyproject.toml has no such table.

    Raises:
        ProblemsFound: the file is not TOML, or a key is unknown or not a plain relative folder.
    """
    try:
        table = tomllib.loads(pyproject).get("tool", {}).get("adaptergen")
    except tomllib.TOMLDecodeError as error:
        raise ProblemsFound(Problem("bad-settings", f"not valid TOML: {error}", Location(path))) from error
    if table is None:
        return None
    known = {field.name for field in fields(Settings)}
    problems = [
        Problem("bad-settings", f"tool.adaptergen.{key} {reason}", Location(path))
        for key, value in table.items()
        if (reason := _objection(key, value, known))
    ]
    if problems:
        raise ProblemsFound(*problems)
    return Settings(**table)


def _objection(key: str, value: object, known: set[str]) -> str:
    if key not in known:
        return f"is not a setting; there are {', '.join(sorted(known))}"
    if not isinstance(value, str) or not re.fullmatch(r"\w[\w./-]*", value) or ".." in value:
        return f"must be a folder inside the project, not {value!r}"
    return ""
