"""Are nodes found in libcst's order, and their lines those that libcst gives, where neither is plain?"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider

from adaptergen.nodes import below, descendants, names_read, statements
from adaptergen.positions import Positions


TEXT = '''\
# A header.

"""A module."""

import a; import b  # two on one line
from ..c import d as e


# Above a class.
@decorated
# between decorators
@decorated(with_arguments=1)
class C(B, metaclass=M):
    """A class."""

    x: int = 1

    @property
    async def f(self, a, /, b: int = 2, *rest, c=3, **more) -> dict:
        if a if b else c:
            return {**a, "k": [i for i in x if i not in y], "l": (lambda z: z)(*a, k=b)}
        elif a < b <= c: pass
        else:
            async with open(a) as g, h:
                match a:
                    case [1, *_]:
                        pass
                    case _: raise
                for q in r:
                    del q[1:2, ...]
            try:
                assert a, f"{b!r:>{c}}"
            except (E, F) as error:
                raise error from None
            else:
                await z
            finally:
                x = y = (yield) or await_(
                    1,
                    2,
                )
        return not a[b].c


if True: z = 1
else:
    while z: break
'''


def slowly(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from slowly(child)


def is_plain(node: cst.CSTNode) -> bool:
    signs = (
        "Whitespace",
        "Comma",
        "Dot",
        "AssignEqual",
        "Semicolon",
        "EmptyLine",
        "Newline",
        "Comment",
        "Paren",
        "Bracket",
    )
    return not any(sign in type(node).__name__ for sign in (*signs, "Brace"))


@pytest.fixture(scope="module")
def tree() -> cst.Module:
    return cst.parse_module(TEXT)


def test_every_node_in_the_order_of_libcst(tree: cst.Module) -> None:
    assert [id(node) for node in below(tree)] == [id(node) for node in slowly(tree) if is_plain(node)]


def test_statements(tree: cst.Module) -> None:
    kinds = (cst.SimpleStatementLine, cst.BaseCompoundStatement)
    assert list(map(id, statements(tree))) == [id(node) for node in slowly(tree) if isinstance(node, kinds)]


def test_names_that_are_read() -> None:
    text = "def f(a: torch.Tensor = Kind.Tensor, b: 'Other' = len(x=y.z)): ...\n"

    assert list(names_read(cst.parse_module(text)))[1:] == ["torch", "Kind", "len", "y"]


def test_lines_of_every_statement_and_decorator(tree: cst.Module) -> None:
    expected = MetadataWrapper(tree, unsafe_skip_copy=True).resolve(PositionProvider)
    positions = Positions(tree, ast.parse(TEXT))
    nodes = [*statements(tree), *descendants(tree, cst.Decorator)]

    assert len(nodes) == 26
    for node in nodes:
        assert positions.lines(node) == (expected[node].start.line, expected[node].end.line), node


def test_a_statement_of_another_module(tree: cst.Module) -> None:
    with pytest.raises(KeyError):
        Positions(tree, ast.parse(TEXT)).lines(cst.SimpleStatementLine([cst.Pass()]))
