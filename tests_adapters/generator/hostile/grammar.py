"""How is a file mangled as a program? Mostly it stays Python, of a kind that nobody would write, or somebody did."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterator
from itertools import pairwise

from tests_adapters.generator.hostile.spans import Text, indent


Way = Callable[[Text, random.Random], str]

NAMES = (
    "self", "cls", "_", "match", "type", "case", "print", "super", "len", "torch", "nn", "config", "x", "é", "ﬁ",
    "ℌ", "隠れ状態", "__x", "__class__", "None", "prefix_mask", "visible_prefix", "AdapterLayer", "LayerSites",
    "ADAPTED_CLASSES", "ModelAdaptersMixin", "prefix_tuning", "attention_adapters", "x" * 3000,
)  # fmt: skip

EXPRESSIONS = (
    "None", "...", "0", "-1", "1e400", "True", "()", "[]", "{}", "*x", "x := 1", "(y := {0})", "lambda: {0}",
    "lambda self: {0}", "await {0}", "(yield {0})", "[{0} for x in {0}]", "{{{0}: {0}}}", "{0} if {0} else {0}",
    "not {0}", "{0} @ {0}", "{0} + {0}", "{0} - 1", "({0},)", "{0}[0]", "{0}[:, None, ...]", "{0}()", "{0}({0})",
    "{0}(*{0}, **{0})", "{0}.x", "{0}.forward", "{0}.__x", "super().forward({0})", "super( ).forward({0})",
    "super(\n).forward({0})", "super", "self", "self.forward({0})", "f'{{{0}!r:>{{10}}}}'",
    "'''super()\n    hidden_states = residual + {0}'''", "b'\\x00'", "getattr(self, 'forward')({0})",
    "__import__('os').system('touch /tmp/adaptergen-was-here')", "exec('x = 1')", "locals()", "type(self)",
    "self.__class__", "(({0}))", "{0}\\\n+ 0", "({0}  # super() residual +\n)", "{0} < {0} < {0}", "torch.zeros(1)",
    "nn.Linear(1, 1)", "10 ** 10 ** 10", "'x' * 10 ** 12", "[0] * 10 ** 12", "1 << 10 ** 9", "range(10 ** 15)",
    "range(-5)",
)  # fmt: skip

STATEMENTS = (
    "pass", "...", "return", "return None", "raise ValueError", "break", "continue", "del self", "del hidden_states",
    "global hidden_states", "nonlocal hidden_states", "import os", "from os import *", "from . import *",
    "from .... import x", "import torch as nn", "assert False", "self.layers = self", "self = None",
    "self, hidden_states = hidden_states, self", "hidden_states: int", "hidden_states += hidden_states",
    "hidden_states @= 2", "x = y = hidden_states", "for self in []: pass",
    "def forward(self, hidden_states): return hidden_states", "class forward: pass", "forward = None",
    "__slots__ = ()", "x = 1; hidden_states = residual + hidden_states", "hidden_states = residual + hidden_states;",
    "if x: hidden_states = None", "while True: hidden_states = hidden_states + residual",
    "try: pass\nfinally: hidden_states = residual", "lambda: super().forward()", "with self as self: pass",
    "match hidden_states:\n    case [*_, {'x': y}] | y if y: pass\n    case _: hidden_states = residual",
    "async def forward(self): await self", "@property\ndef forward(self): return self.forward", "(yield)",
    "type = 1", "print(self)", "'residual + hidden_states'", '"""\nclass CaseModel(PreTrainedModel):\n"""',
    "# residual + hidden_states", "\\\n", "x = '''\n  # '''", "forward = torch.no_grad()(forward)",
    "hidden_states, *residual = hidden_states, residual", "def f():\n    hidden_states = 1", "class C(C): pass",
    "[x for x in super().__init__()]", "if super().training: pass", "hidden_states = residual = hidden_states",
    "for layer in self.layers: self.layers = layer", "self.__x = residual + hidden_states", "residual = self.__x",
)  # fmt: skip

DECORATORS = (
    "does_not_exist", "does.not_.exist(1)", "property", "staticmethod", "classmethod", "torch.no_grad()",
    "torch.jit.script", "auto_docstring", "auto_docstring(\n    custom_intro='''\n    super()\n'''\n)",
    "lambda f: f", "(x := property)", "cache", "does_not_exist  # auto_docstring", "super().forward",
    "abstractmethod", "overload", "dataclass",
)  # fmt: skip

BASES = (
    "",
    "CaseModel",
    "nn.Module",
    "PreTrainedModel",
    "Missing",
    "object",
    "f()",
    "C[int]",
    "*bases",
    "metaclass=M",
    "a.b.c",
)

AROUND = (
    "if {}", "if x:\n    pass\nelif {}", "if x:\n    pass\nelse", "while {}", "for _ in {}", "for _ in range(3)",
    "try", "with {}", "with {} as self", "def f()", "class C", "async def f()", "match {}:\n    case _",
    "for _ in ():\n    pass\nelse",
)  # fmt: skip


def mangled(text: str, draw: random.Random) -> tuple[str, str]:
    """The text after one to three changes, and what they were."""
    told = []
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        found = Text.of(text)
        if found is None:
            break
        way = draw.choice(WAYS)
        try:
            text = way(found, draw)
        except IndexError:  # there is nothing of this kind to change
            told.append(f"no {way.__name__.strip('_')}")
        else:
            told.append(way.__name__.strip("_").replace("_", " "))
    return text, ", ".join(told)


def _a_block(found: Text, draw: random.Random) -> list[ast.stmt]:
    """Most often one of a function: what is in there is followed most closely."""
    functions = found.all(ast.FunctionDef)
    blocks = list(found.blocks())
    if functions and draw.random() < 0.8:
        inside = {id(node) for function in functions for node in ast.walk(function)}
        blocks = [block for block in blocks if id(block[0]) in inside]
    return draw.choice(blocks)


def _statement(found: Text, draw: random.Random) -> ast.stmt:
    return draw.choice(_a_block(found, draw))


def _delete(found: Text, draw: random.Random) -> str:
    block = _a_block(found, draw)
    node = draw.choice(block)
    return found.with_lines(node, [f"{indent(found.lines(node)[0])}pass"] if len(block) == 1 else [])


def _duplicate(found: Text, draw: random.Random) -> str:
    node = _statement(found, draw)
    return found.with_lines(node, found.lines(node) * draw.choice((2, 2, 3)))


def _exchange(found: Text, draw: random.Random) -> str:
    """Two statements of a block."""
    block = _a_block(found, draw)
    first, second = sorted(draw.sample(range(len(block)), 2)) if len(block) > 1 else (0, 0)
    lines = found.lines(block[first])
    later = Text.of(found.with_lines(block[second], lines))
    return found.text if later is None else later.with_lines(block[first], found.lines(block[second]))


def _move(found: Text, draw: random.Random) -> str:
    """A statement in front of another one, wherever that is."""
    moved, to = _statement(found, draw), _statement(found, draw)
    return found.with_lines(to, [*_indented(found.lines(moved), found, to), *found.lines(to)])


def _indented(lines: list[str], found: Text, at: ast.stmt) -> list[str]:
    here, there = indent(lines[0]), indent(found.lines(at)[0])
    return [f"{there}{line.removeprefix(here)}" if line.strip() else line for line in lines]


def _add(found: Text, draw: random.Random) -> str:
    at = _statement(found, draw)
    lines = _indented(draw.choice(STATEMENTS).split("\n"), found, at)
    return found.with_lines(at, [*lines, *found.lines(at)] if draw.random() < 0.5 else [*found.lines(at), *lines])


def _wrap(found: Text, draw: random.Random) -> str:
    """A statement, a class or a method becomes conditional, or is hidden in something else."""
    node = draw.choice([_statement(found, draw), draw.choice(found.tree.body), *found.all(ast.ClassDef)[:1]])
    head = draw.choice(AROUND).format(draw.choice(("x", "True", "self", "is_available()", "super().forward()")))
    here = indent(found.lines(node)[0])
    lines = [f"{here}{line}" for line in f"{head}:".split("\n")]
    inner = "        " if "case _" in head else "    "
    body = [f"{inner}{line}" if line.strip() else line for line in found.lines(node)]
    tail = [f"{here}except E:", *body] if head == "try" else []
    if head.startswith("if") and draw.random() < 0.3:
        tail = [f"{here}else:", *body]
    return found.with_lines(node, [*lines, *body, *tail])


def _decorate(found: Text, draw: random.Random) -> str:
    node = draw.choice(found.all(ast.FunctionDef | ast.ClassDef))  # type: ignore[arg-type]
    here = indent(found.lines(node)[0])
    lines = [f"{here}@{draw.choice(DECORATORS)}", *([f"{here}# @auto_docstring"] if draw.random() < 0.3 else [])]
    return found.with_lines(node, [*lines, *found.lines(node)])


def _rename_one(found: Text, draw: random.Random) -> str:
    """One use of a name, and not the others."""
    return found.with_code(draw.choice(found.all(ast.Name)), _new_name(found, draw))


def _rename_all(found: Text, draw: random.Random) -> str:
    """All uses of a name, also where it means something else."""
    name = draw.choice(found.all(ast.Name)).id
    return found.with_codes(list(found.all(ast.Name, lambda node: node.id == name)), _new_name(found, draw))


def _rename_word(found: Text, draw: random.Random) -> str:
    """A class, a method, a parameter or an attribute, wherever the word is: also in strings."""
    words = [node.name for node in found.all(ast.FunctionDef | ast.ClassDef)]  # type: ignore[arg-type]
    words += [node.arg for node in found.all(ast.arg)] + [node.attr for node in found.all(ast.Attribute)]
    return found.text.replace(draw.choice(words), _new_name(found, draw))


def _new_name(found: Text, draw: random.Random) -> str:
    return draw.choice((draw.choice(NAMES), draw.choice(found.all(ast.Name)).id))


def _expression(found: Text, draw: random.Random) -> str:
    node = draw.choice(found.all(ast.expr))
    return found.with_code(node, draw.choice(EXPRESSIONS).format(found.code(node)))


def _splice(found: Text, draw: random.Random) -> str:
    """An expression in the place of another one."""
    nodes = found.all(ast.expr)
    return found.with_code(draw.choice(nodes), found.code(draw.choice(nodes)))


def _operator(found: Text, draw: random.Random) -> str:
    node = draw.choice(found.all(ast.BinOp))
    sign = draw.choice(("+", "-", "*", "@", "//", "|", "**", "and", "in", ",", "+-"))
    left, right = found.code(node.left), found.code(node.right)
    return found.with_code(
        node, draw.choice((f"{left} {sign} {right}", f"{right} {sign} {left}", f"({left}\n + {right})"))
    )


def _argument(found: Text, draw: random.Random) -> str:
    node = draw.choice(found.all(ast.Call, lambda call: bool(call.args or call.keywords)))
    given = [found.code(each) for each in [*node.args, *node.keywords]]
    at = draw.randrange(len(given))
    match draw.choice(("gone", "twice", "starred", "keyword", "shuffled")):
        case "gone":
            del given[at]
        case "twice":
            given.insert(at, given[at])
        case "starred":
            given[at] = f"*{given[at]}"
        case "keyword":
            given[at] = f"hidden_states={given[at]}"
        case _:
            draw.shuffle(given)
    return found.with_code(node, f"{found.code(node.func)}({', '.join(given)})")


def _parameter(found: Text, draw: random.Random) -> str:
    """Another one, none, or another kind of them."""
    node = draw.choice(found.all(ast.FunctionDef, lambda each: bool(each.args.args)))
    given = draw.choice(node.args.args)
    return found.with_code(
        given,
        draw.choice(
            (
                "",
                "*args",
                "**kwargs",
                "/",
                "*",
                "self",
                "x=(y := 1)",
                f"{given.arg}, x",
                f"{given.arg}=lambda: 1",
                f"{given.arg}: 'super()' = f'{{x}}'",
            )
        ),
    )


def _base(found: Text, draw: random.Random) -> str:
    node = draw.choice(found.all(ast.ClassDef, lambda each: bool(each.bases)))
    others = [each.name for each in found.all(ast.ClassDef)]
    return found.with_code(draw.choice(node.bases), draw.choice((*BASES, *others)))


def _deep(found: Text, draw: random.Random) -> str:
    """One expression, or one statement, very far inside of others."""
    depth = draw.choice((20, 90, 150, 300, 900, 3000))
    if draw.random() < 0.2:
        at = _statement(found, draw)
        lines = [f"{' ' * level}if x:" for level in range(min(depth, 98))]
        return found.with_lines(at, [*_indented([*lines, f"{' ' * len(lines)}pass"], found, at), *found.lines(at)])
    node = draw.choice(found.all(ast.expr))
    opening, closing = draw.choice(
        (
            ("(", ")"),
            ("[", "]"),
            ("f(", ")"),
            ("-", ""),
            ("1 + ", ""),
            ("", ".x"),
            ("", "[0]"),
            ("", " + 1"),
            ("x if y else ", ""),
            ("not ", ""),
            ("lambda: ", ""),
            ("", "()"),
        )
    )
    return found.with_code(node, f"{opening * depth}{found.code(node)}{closing * depth}")


def _huge(found: Text, draw: random.Random) -> str:
    at = _statement(found, draw)
    here = indent(found.lines(at)[0])
    line = draw.choice(
        (
            "hidden_states = residual + hidden_states",
            "x = self.x",
            "if x: y = 1",
            "self.x(self.x)",
            "x = x + x",
            "hidden_states = hidden_states + hidden_states",
            "if x:\n    y = self.dropout(x)\nelse:\n    x = y",
        )
    )
    added = [f"{here}{part}" for part in line.split("\n")] * draw.choice((30, 300, 2000))
    return found.with_lines(at, [*added, *found.lines(at)])


def _recurse(found: Text, draw: random.Random) -> str:
    """A function calls itself, or a module makes itself."""
    classes = found.all(ast.ClassDef, lambda each: any(isinstance(node, ast.FunctionDef) for node in each.body))
    cls = draw.choice(classes)
    method = draw.choice([node for node in cls.body if isinstance(node, ast.FunctionDef)])
    at = draw.choice(method.body)
    called = draw.choice(
        (
            f"self.x = {cls.name}(config)",
            f"x = self.{method.name}(hidden_states)",
            "self.x = self",
            f"hidden_states = {cls.name}(self.config)(hidden_states)",
            f"{cls.name} = {cls.name}",
        )
    )
    return found.with_lines(at, [*_indented([called], found, at), *found.lines(at)])


def _one_line(found: Text, draw: random.Random) -> str:
    """Two statements on one line."""
    pairs = [(one, other) for block in found.blocks() for one, other in _simple_pairs(block)]
    one, other = draw.choice(pairs)
    later = Text.of(found.with_lines(other, []))
    first, second = found.lines(one), found.lines(other)
    joined = [*first[:-1], f"{first[-1].partition('  #')[0]}; {second[0].lstrip()}", *second[1:]]
    return later.with_lines(one, joined) if later else found.text


def _simple_pairs(block: list[ast.stmt]) -> Iterator[tuple[ast.stmt, ast.stmt]]:
    compound = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.FunctionDef, ast.ClassDef, ast.Match)
    return ((a, b) for a, b in pairwise(block) if not isinstance(a, compound) and not isinstance(b, compound))


def _rebind(found: Text, draw: random.Random) -> str:
    """A class, or a method of it, is something else at the end of the file."""
    cls = draw.choice(found.all(ast.ClassDef)).name
    added = draw.choice(
        (
            f"{cls} = wrap({cls})",
            f"{cls}.forward = lambda self: self",
            f"class {cls}({cls}):\n    pass",
            f"def {cls}():\n    pass",
            f"del {cls}",
            f"from x import {cls}",
            f"setattr({cls}, 'forward', None)",
        )
    )
    return f"{found.text}\n{added}\n"


WAYS: tuple[Way, ...] = (
    _delete, _duplicate, _exchange, _move, _add, _add, _wrap, _decorate, _rename_one, _rename_all, _rename_word,
    _expression, _expression, _splice, _operator, _argument, _parameter, _base, _deep, _huge, _recurse, _one_line,
    _rebind,
)  # fmt: skip
