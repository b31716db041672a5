"""Generated lines as a formatter would break them, so that no second run changes them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from textwrap import wrap

from adaptergen.transforms.edits import LINE_LENGTH, call_lines


_NAME = re.compile(r'(\w+=|"[^"]*": )?')  # of a keyword argument, or the key of a dictionary


def call(indent: int, head: str, arguments: Sequence[str]) -> str:
    """`head(arguments)` on one line, or with the arguments on the next; the first line is not indented."""
    return "\n".join(call_lines(" " * indent, head, arguments)).lstrip()


def entries(indent: int, head: str, items: Sequence[str], brackets: str = "()", tail: str = "") -> str:
    """`head(items)tail`: on one line where it fits, otherwise an item a line; a tuple of one keeps its comma."""
    opening, closing = brackets[0], brackets[1]
    comma = "," if brackets == "()" and len(items) == 1 else ""
    one = f"{head}{opening}{', '.join(items)}{comma}{closing}{tail}"
    if len(one) + indent <= LINE_LENGTH and not any("\n" in item for item in items):
        return one
    return lines(indent, head, items, brackets, tail)


def lines(indent: int, head: str, items: Sequence[str], brackets: str = "()", tail: str = "") -> str:
    """`head(`, an item a line with a comma after each, `)tail`."""
    opening, closing = brackets[0], brackets[1]
    pad = " " * indent
    inner = "".join(f"{pad}    {entry(indent + 4, item)}\n" for item in items)
    return f"{head}{opening}\n{inner}{pad}{closing}{tail}" if items else f"{head}{opening}{closing}{tail}"


def entry(indent: int, item: str) -> str:
    """`item,` on a line of its own, or broken inside its outermost brackets where it is longer than a line."""
    if len(item) + 1 + indent <= LINE_LENGTH or "\n" in item:
        return f"{item},"
    found = _NAME.match(item)
    name = found[0] if found else ""
    text = item.removeprefix(name)
    node = ast.parse(text, mode="eval").body
    match node:
        case ast.Call(func=func, args=args, keywords=keywords):
            return _entry_that_calls(indent, f"{name}{_in(text, func)}", _each(text, [*args, *keywords]))
        case ast.Tuple(elts=elements):
            return lines(indent, name, _each(text, elements), tail=",")
        case ast.List(elts=elements):
            return lines(indent, name, _each(text, elements), "[]", ",")
        case ast.Dict(keys=keys, values=values):
            pairs = [f"{_in(text, key)}: {_in(text, value)}" for key, value in zip(keys, values, strict=True) if key]
            return lines(indent, name, pairs, "{}", ",")
        case ast.Constant(value=str()):
            return _entry_of_pieces(indent, name, text)
    return f"{item},"


def _entry_that_calls(indent: int, head: str, arguments: Sequence[str]) -> str:
    together = call(indent, head, arguments)
    fits = all(len(line) < LINE_LENGTH for line in together.splitlines())
    return f"{together}," if fits else lines(indent, head, arguments, tail=",")


def _entry_of_pieces(indent: int, name: str, literal: str) -> str:
    """A string in pieces that are joined as they are read."""
    pad = " " * indent
    pieces = wrap(literal[1:-1], LINE_LENGTH - indent - len('    " "'), break_long_words=False, break_on_hyphens=False)
    inner = f' "\n{pad}    "'.join(pieces)
    return f'{name}(\n{pad}    "{inner}"\n{pad}),'


def _each(text: str, nodes: Iterable[ast.AST]) -> list[str]:
    return [_in(text, node) for node in nodes]


def _in(text: str, node: ast.AST) -> str:
    """The text of a node as it is written."""
    return ast.get_source_segment(text, node) or ""
