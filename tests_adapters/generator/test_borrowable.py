"""Is a method copied only where the copy means what the method means, and do names in it mean the same?"""

from __future__ import annotations

import pytest

from adaptergen.problems import ProblemsFound
from adaptergen.source import parse_source
from adaptergen.transforms.borrowable import check_borrowable
from tests_adapters.generator.borrowing import borrow, borrowed_body, module_of, residual


FORWARD = """\
def forward(self, x, residual):
    x = self.mlp(x)
    x = residual + x
    return x
"""
HOOK = residual("x = residual + x", "residual + x", "x", "residual")
CALL = "x = self.slot.adapter_layer_forward(x, residual, None)"


def refusals(text: str) -> list[str]:
    source = parse_source(text, name="modeling_block", path="modeling_block.py")
    try:
        check_borrowable(source, [("Block", "forward")], [])
    except ProblemsFound as found:
        return [f"{problem.code} {problem.at.line if problem.at else 0}" for problem in found.problems]
    return []


CLASS = "class Block(nn.Module):\n    def forward(self, x):\n        return x\n"


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (CLASS, []),
        (f"if x:\n    Block = None\n{CLASS}", []),
        (f"{CLASS}\n\n{CLASS}", []),
        (f"{CLASS}Block = wrap(Block)\n", ["other-class 4"]),
        (f"{CLASS}from x import Block\n", ["other-class 4"]),
        (f"{CLASS}try:\n    pass\nexcept E:\n    class Block: pass\n", ["other-class 7"]),
        (f"{CLASS}for Block in y: pass\n", ["other-class 4"]),
        (f"{CLASS}del Block\n", ["other-class 4"]),
        ("if x:\n    class Block:\n        def forward(self): pass\n", ["other-class 2"]),
        (f"{CLASS}Block.forward = other\n", ["other-method 4"]),
        (f"{CLASS}    forward = other(forward)\n", ["other-method 4"]),
        (f"{CLASS}    if x:\n        def forward(self): pass\n", ["other-method 5"]),
        (CLASS.replace("self, x", "this, x"), ["not-in-subclass 2"]),
        (CLASS.replace("return x", "self = x"), ["not-in-subclass 3"]),
        (CLASS.replace("return x", "return self.__x"), ["not-in-subclass 3"]),
        (CLASS.replace("return x", "return __class__"), ["not-in-subclass 3"]),
        (CLASS.replace("return x", "return super().forward(x)"), []),
        (CLASS.replace("return x", "if super().training: return x"), ["not-in-subclass 3"]),
        (CLASS.replace("return x", "return self.__x__ + x.__len__()"), []),
    ],
)
def test_what_would_mean_something_else(text: str, refused: list[str]) -> None:
    assert refusals(text) == refused


@pytest.mark.parametrize("written", ["super()", "super( )", "super(\n    )", "super(  # the parent\n    )"])
def test_a_bare_super_is_named_however_it_is_written(written: str) -> None:
    body = borrowed_body(FORWARD.replace("self.mlp(x)", f"{written}.mlp(x)"), HOOK)

    assert body == FORWARD.replace("self.mlp(x)", "super(Block, self).mlp(x)").replace("x = residual + x", CALL)


def test_what_only_reads_like_super_stays() -> None:
    body = FORWARD.replace("self.mlp(x)", 'super().mlp(x, "super()")  # not super()')

    assert 'super(Block, self).mlp(x, "super()")  # not super()\n' in borrowed_body(body, HOOK)


def test_lines_inside_of_strings_stay() -> None:
    """Also where they are indented less, or more, than the statement that they are in."""
    source = module_of(FORWARD.replace("self.mlp(x)", 'super().mlp(x, """\n  two\n            twelve\n""")'))
    string = source.text.split('"""')[1]

    assert f'super(Block, self).mlp(x, """{string}""")' in borrow(source, [HOOK]).code


@pytest.mark.parametrize(
    ("imports", "name"),
    [
        ("def sum(x):\n    return x\n\n\n", "sum"),  # which hides Python's own
        ("from math import pow as sum\n\n\n", "sum"),
        ("for gate in range(3):\n    pass\n\n\n", "gate"),
        ("gate, other = 1, 2\n\n\n", "gate"),
        ("while (gate := f()):\n    pass\n\n\n", "gate"),
        ("from elsewhere import *\n\n\n", "gate"),
    ],
)
def test_names_come_from_where_they_mean_the_same(imports: str, name: str) -> None:
    source = module_of(FORWARD.replace("self.mlp(x)", f"{name}(x)"), imports=imports)

    assert {(found.module, found.name) for found in borrow(source, [HOOK]).imports} >= {(source.name, name)}


def test_what_nothing_gives_a_meaning_is_not_imported() -> None:
    source = module_of(FORWARD.replace("self.mlp(x)", "gate(len(x))"))

    assert not {found.name for found in borrow(source, [HOOK]).imports} & {"gate", "len", "x"}
