"""What is wrong with a template that cannot be rendered, and where? Templates can be the project's own."""

from __future__ import annotations

import traceback
from pathlib import Path

import jinja2

from adaptergen.problems import Location, Problem


def failure(error: Exception, folder: Path, template: str, shown: str) -> Problem:
    """Whatever was raised while a template was rendered; `shown` is what people call the folder of templates."""
    if isinstance(error, jinja2.TemplateNotFound):
        at = Location(f"{shown}/{error.name}")
        fix = "add it, or remove `templates` from [tool.adaptergen] to use those of adaptergen"
        return Problem("no-template", "there is no such template", at, fix)
    path, line = _place(error, folder) or (template, 0)
    kind = "" if isinstance(error, jinja2.TemplateError) else f"{type(error).__name__}: "
    return Problem("bad-template", f"{kind}{error}", Location(f"{shown}/{path}", line), "mend the template")


def nameless(template: str, shown: str) -> Problem:
    message = "every model would write the same file"
    return Problem("bad-template", message, Location(f"{shown}/{template}"), "put {name} into the template's path")


def _place(error: Exception, folder: Path) -> tuple[str, int] | None:
    """The innermost line of a template: Jinja puts them into the traceback."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix(), frame.lineno or 0
    return None
