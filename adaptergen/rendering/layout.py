"""Generated lines as a formatter would break them, so that no second run changes them."""

from __future__ import annotations

from collections.abc import Sequence

from adaptergen.transforms.edits import LINE_LENGTH, call_lines


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
    inner = "".join(f"{pad}    {item},\n" for item in items)
    return f"{head}{opening}\n{inner}{pad}{closing}{tail}" if items else f"{head}{opening}{closing}{tail}"
