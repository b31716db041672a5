"""Lines in files of other people: entries of tables and imports, each put where it sorts, others left as they are.

A table is found by its name in the syntax tree; an entry that is there already, and says the same, stays.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from msgspec import Struct

from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.transforms.edits import LINE_LENGTH


class Entry(Struct, frozen=True):
    """
    One entry of a table.

    Args:
        table: name of the dictionary, or of the list of pairs.
        key: of the entry.
        lines: its text, without indentation.
        sorts: among the others; at the end where they are in no order.
        title: a comment above the entry.
    """

    table: str
    key: str
    lines: tuple[str, ...]
    sorts: bool = True
    title: str = ""


def with_entry(text: str, path: str, entry: Entry) -> str:
    """
    Raises:
        ProblemsFound: there is no such table, or it has something else under the key.
    """
    table = _table(text, path, entry.table)
    known = {key: value for key, value, _ in _pairs(table)}
    if entry.key in known:
        if ast.dump(known[entry.key]) != ast.dump(_value(entry)):
            raise ProblemsFound(
                _taken(path, known[entry.key].lineno, f"{entry.table} has another entry {entry.key!r}")
            )
        return text
    lines = text.splitlines(keepends=True)
    after = (line for key, _, line in _pairs(table) if key > entry.key) if entry.sorts else iter(())
    line = next(after, table.end_lineno or 0)
    indent = _indent(lines, table, line)
    title = [f"{indent}# {entry.title}\n"] if entry.title else []
    return "".join([*lines[: line - 1], *title, *(f"{indent}{own}\n" for own in entry.lines), *lines[line - 1 :]])


def with_import(text: str, path: str, module: str, names: Sequence[str], *, guarded: bool = False) -> str:
    """`from .module import names` among the relative imports of a file, or those below `if TYPE_CHECKING:`.

    Raises:
        ProblemsFound: there are no such imports, or the module's are others.
    """
    imports = list(_imports(text, path, guarded=guarded))
    same = [node for node in imports if node.module == module]
    if same:
        if {alias.name for node in same for alias in node.names} != set(names):
            raise ProblemsFound(_taken(path, same[0].lineno, f"something else is imported from .{module}"))
        return text
    if not imports:
        raise ProblemsFound(_gone(path, "its relative imports are not there"))
    before = next((node.lineno for node in imports if (node.module or "") > module), None)
    line = before or (imports[-1].end_lineno or 0) + 1
    indent = " " * imports[0].col_offset
    lines = text.splitlines(keepends=True)
    own = f"{indent}from .{module} import {', '.join(names)}\n"
    if len(own) > LINE_LENGTH:
        own = "".join([f"{indent}from .{module} import (\n", *(f"{indent}    {n},\n" for n in names), f"{indent})\n"])
    return "".join([*lines[: line - 1], own, *lines[line - 1 :]])


def table_keys(text: str, name: str) -> frozenset[str]:
    """The keys of a table, none if the file has no such table."""
    try:
        return frozenset(key for key, _, _ in _pairs(_table(text, "", name)))
    except ProblemsFound:
        return frozenset()


def _table(text: str, path: str, name: str) -> ast.Dict | ast.List:
    for node in _parsed(text, path).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=ast.Dict() as table) if found == name:
                return table
            case ast.Assign(targets=[ast.Name(id=found)], value=ast.Call(args=[ast.List() as pairs])) if found == name:
                return pairs
    raise ProblemsFound(_gone(path, f"the table {name} is not there"))


def _pairs(table: ast.Dict | ast.List) -> Iterator[tuple[str, ast.expr, int]]:
    """(key, value, its first line) of every entry."""
    if isinstance(table, ast.Dict):
        for key, value in zip(table.keys, table.values, strict=True):
            if isinstance(key, ast.Constant):
                yield str(key.value), value, key.lineno
        return
    for pair in table.elts:
        match pair:
            case ast.Tuple(elts=[ast.Constant(value=named), value]):
                yield str(named), value, pair.lineno


def _value(entry: Entry) -> ast.expr:
    text = "\n".join(entry.lines)
    wrapped = f"[{text}]" if text.startswith("(") else f"{{{text}}}"
    node = ast.parse(wrapped, mode="eval").body
    assert isinstance(node, ast.Dict | ast.List)
    return next(value for _, value, _ in _pairs(node))


def _indent(lines: Sequence[str], table: ast.Dict | ast.List, line: int) -> str:
    """That of the entries; one step more than the closing bracket's where there are none."""
    found = next((lines[number - 1] for _, _, number in _pairs(table)), None)
    own = found if found is not None else f"    {lines[line - 1]}"
    return own[: len(own) - len(own.lstrip())]


def _imports(text: str, path: str, *, guarded: bool) -> Iterator[ast.ImportFrom]:
    for node in _parsed(text, path).body:
        match node:
            case ast.ImportFrom(level=1) if not guarded:
                yield node
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body) if guarded:
                yield from (each for each in body if isinstance(each, ast.ImportFrom) and each.level == 1)


def _parsed(text: str, path: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        message = f"not valid Python: {error.msg}"
        raise ProblemsFound(Problem("not-python", message, Location(path, error.lineno or 0), "mend it")) from error


def _gone(path: str, message: str) -> Problem:
    return Problem("no-registry", message, Location(path), "give a copy of adapters 1.3 that has it as released")


def _taken(path: str, line: int, message: str) -> Problem:
    return Problem("entry-taken", message, Location(path, line), "remove it, or take a fresh copy of adapters")
