"""What do the auto mappings of a transformers say? Read as text, and kept for the next command.

These files are as long as those of several architectures, and change with a release alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from adaptergen.cache_folder import digest, kept
from adaptergen.text_files import parse_python


Names = str | tuple[str, ...]
Tables = dict[str, dict[str, Names]]  # `…_MAPPING_NAMES` → type of a model → its class, or classes


def tables_of(files: Mapping[str, str]) -> Tables:
    """The tables in some files, with what later `.update()` calls add.

    Args:
        files: their texts by what people are told they are called, the earlier ones first.

    Raises:
        ProblemsFound: a text is not Python.
    """
    pieces, key = kept("tables"), digest(Path(__file__).read_bytes(), *(text.encode() for text in files.values()))
    try:
        return msgspec.json.decode(pieces.read(key) or b"", type=Tables)
    except msgspec.DecodeError:
        tables = _read(files)
        pieces.write(key, msgspec.json.encode(tables))
        return tables


def _read(files: Mapping[str, str]) -> Tables:
    tables: Tables = {}
    for shown, text in files.items():
        for node in parse_python(text, shown).body:
            match node:
                case ast.Assign(targets=[ast.Name(id=table)], value=told) if table.endswith(("_NAMES", "_NAME")):
                    pass
                case ast.Expr(value=ast.Call(func=ast.Attribute(ast.Name(id=table), attr="update"), args=[told])):
                    pass
                case _:
                    continue
            tables.setdefault(table, {}).update((key, names) for key, names in _entries(told) if _is_named(key, names))
    return tables


def _is_named(key: object, names: object) -> bool:
    """One class or several; what else there is in these files is not read."""
    listed = names if isinstance(names, tuple) else (names,)
    return isinstance(key, str) and all(isinstance(name, str) for name in listed)


def _entries(node: ast.expr) -> Iterator[tuple[Any, Any]]:
    """Literal keys and values of `OrderedDict([(k, v), …])`, `{k: v}` or `OrderedDict(**{…})`."""
    match node:
        case ast.Call(args=[ast.List(elts=pairs), *_]):
            yield from (pair for each in pairs if isinstance(pair := _literal(each), tuple) and len(pair) == 2)
        case ast.Call(args=[], keywords=keywords):
            for word in keywords:
                if word.arg is None:
                    yield from _entries(word.value)
        case ast.Dict():
            yield from (_literal(node) or {}).items()


def _literal(node: ast.expr) -> Any:
    """What a literal stands for, None for anything else."""
    match node:
        case ast.Tuple(elts=[ast.Constant(value=key), ast.Constant(value=value)]):  # nearly all: a model and its class
            return key, value
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return None
