"""The lines of a model in the library's documentation: a row of the table, an entry of the index."""

from __future__ import annotations

import re

from adaptergen.problems import Location, Problem, ProblemsFound


TICK = "✅"
INDEX_ENTRY = re.compile(r"^(?P<indent> +)classes/models/(?P<name>[\w-]+)$", re.MULTILINE)
ROW = re.compile(r"^\| \[(?P<title>[^\]]+)\]\(classes/models/", re.MULTILINE)
HEADER = re.compile(r"^\| Model +\|.*$", re.MULTILINE)


def with_index_entry(text: str, path: str, name: str) -> str:
    """The page of the model among those of the others.

    Raises:
        ProblemsFound: no page of a model is listed.
    """
    found = list(INDEX_ENTRY.finditer(text))
    if not found:
        raise ProblemsFound(_gone(path, "it lists no pages of models"))
    if any(match["name"] == name for match in found):
        return text
    later = [match.start() for match in found if match["name"] > name]
    at = later[0] if later else found[-1].end() + 1
    return f"{text[:at]}{found[0]['indent']}classes/models/{name}\n{text[at:]}"


def with_row(text: str, path: str, name: str, title: str, lacks: tuple[str, ...]) -> str:
    """A row in the table of models, without a tick below what the model lacks.

    Raises:
        ProblemsFound: there is no such table.
    """
    header = HEADER.search(text)
    rows = list(ROW.finditer(text))
    if header is None or not rows:
        raise ProblemsFound(_gone(path, "it has no table of models"))
    if f"(classes/models/{name}.html)" in text:
        return text
    columns = [column.strip() for column in header[0].strip("|").split("|")[1:]]
    ticks = " | ".join("" if any(what in column for what in lacks) else TICK for column in columns)
    row = f"| [{title}](classes/models/{name}.html) | {ticks} |\n"
    later = [match.start() for match in rows if match["title"].lower() > title.lower()]
    at = later[0] if later else text.index("\n", rows[-1].start()) + 1
    return f"{text[:at]}{row}{text[at:]}"


def _gone(path: str, message: str) -> Problem:
    return Problem("no-registry", message, Location(path), "give a checkout of adapters that has it as released")
