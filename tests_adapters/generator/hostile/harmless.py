"""How can a file be written otherwise and mean the same? Names, spaces, comments, and the order where it is free."""

from __future__ import annotations

import ast
import random
import re
import symtable
from collections.abc import Callable, Iterator
from itertools import pairwise

from tests_adapters.generator.hostile.spans import Text, first_line, indent


Way = Callable[[Text, random.Random], str]

COMMENTS = (
    "# hidden_states = residual + hidden_states", "# super().forward(hidden_states)", '# """', "# '", "#", "# (",
    "#!\\", "# adaptergen: begin exports", "# fmt: off", "# type: ignore", "# class CaseLayer(nn.Module):",
    "# ü 漢 \u202e", "# {{ plan }} {% raw %}", "# @auto_docstring", "# return",
)  # fmt: skip
STRINGS = (
    '"hidden_states = residual + hidden_states"',
    "'''\n  super().forward(x)\n\n# '''",
    '"""{{ plan }}"""',
    "r'\\d'",
    "b''",
)


def rewritten(text: str, draw: random.Random) -> tuple[str, str]:
    """The text after one to three changes of which nothing that runs takes notice, and what they were."""
    told = []
    for _ in range(draw.choice((1, 1, 2, 3))):
        found = Text.of(text)
        assert found is not None, "what is harmless leaves Python"
        way = draw.choice(WAYS)
        try:
            text = way(found, draw)
        except IndexError:  # there is nothing of this kind to change
            continue
        told.append(way.__name__.strip("_").replace("_", " "))
    return text, ", ".join(told) or "nothing"


def _rename_locals(found: Text, draw: random.Random) -> str:
    """Names that a function binds and no function inside of it knows."""
    table = symtable.symtable(found.text, "file", "exec")
    scopes = {scope.get_lineno(): scope for scope in _functions(table)}
    function = draw.choice(found.all(ast.FunctionDef, lambda node: node.lineno in scopes))
    scope = scopes[function.lineno]
    inner = {name for child in scope.get_children() for name in child.get_identifiers()}
    names = [each.get_name() for each in scope.get_symbols() if each.is_local() and not each.is_parameter()]
    bound = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    free = sorted(
        name for name in names if name not in inner and name in bound and not _is_bound_otherwise(function, name)
    )
    nodes = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    name = draw.choice(free)
    renamed = draw.choice((f"{name}_1", f"a_{name}", f"{name}é", "隠れ", f"_{name}"))
    if renamed in table.get_identifiers() or renamed in scope.get_identifiers() or renamed.startswith("__"):
        raise IndexError  # it is another name already, or one that each class has for itself
    return found.with_codes([node for node in nodes if node.id == name], renamed)


def _is_bound_otherwise(function: ast.FunctionDef, name: str) -> bool:
    """By a statement in which it is no node of its own: `import name`, `except E as name`, `def name`."""
    found = (getattr(node, key, None) for node in ast.walk(function) for key in ("name", "asname", "rest"))
    return name in {each for each in found if each}


def _functions(table: symtable.SymbolTable) -> Iterator[symtable.Function]:
    for child in table.get_children():
        if isinstance(child, symtable.Function):
            yield child
        yield from _functions(child)


def _comment(found: Text, draw: random.Random) -> str:
    """On a line of its own, in front of a statement or above decorators."""
    node = draw.choice([node for block in found.blocks() for node in block])
    lines = found.lines(node)
    return found.with_lines(node, [f"{indent(lines[0])}{draw.choice(COMMENTS)}", *lines])


def _comment_behind(found: Text, draw: random.Random) -> str:
    node = draw.choice([node for block in found.blocks() for node in block])
    lines = found.lines(node)
    if "#" in lines[-1] or lines[-1].endswith("\\"):
        raise IndexError
    return found.with_lines(node, [*lines[:-1], f"{lines[-1]}  {draw.choice(COMMENTS)}"])


def _string(found: Text, draw: random.Random) -> str:
    """A string that nobody takes, behind a statement that others follow: it documents nothing there."""
    blocks = [block for block in found.blocks() if len(block) > 1]
    node = draw.choice(draw.choice(blocks)[:-1])
    if isinstance(node, ast.Expr):  # a docstring would not be the first any more
        raise IndexError
    here = indent(found.lines(node)[0])
    return found.with_lines(node, [*found.lines(node), *f"{here}{draw.choice(STRINGS)}".split("\n")])


def _blank_lines(found: Text, draw: random.Random) -> str:
    node = draw.choice([node for block in found.blocks() for node in block])
    return found.with_lines(node, [*[draw.choice(("", "    ", "\t"))] * draw.choice((1, 3)), *found.lines(node)])


def _parentheses(found: Text, draw: random.Random) -> str:
    """Around the value of an assignment or of a return."""
    node = draw.choice(
        [
            each.value
            for each in found.all(ast.Assign | ast.Return)
            if each.value  # type: ignore[arg-type]
        ]
    )
    inside = found.code(node)
    if isinstance(node, ast.Tuple | ast.GeneratorExp) and not inside.startswith("("):
        raise IndexError
    return found.with_code(
        node, draw.choice((f"({inside})", f"(\n  {inside}\n )", f"({inside}  # residual +\n)", f"( {inside} )"))
    )


def _spaces(found: Text, draw: random.Random) -> str:
    """Around the sign of an operation, or between a function and its arguments."""
    if draw.random() < 0.5:
        call = draw.choice(found.all(ast.Call))
        called = found.code(call.func)
        rest = found.code(call).removeprefix(called)
        if not rest.startswith("("):
            raise IndexError
        return found.with_code(call, f"{called}{draw.choice((' ', '  '))}({draw.choice((' ', ''))}{rest[1:]}")
    node = draw.choice(found.all(ast.BinOp, lambda each: isinstance(each.op, ast.Add | ast.Mult | ast.Sub)))
    left, right = found.code(node.left), found.code(node.right)
    between = found.code(node).removeprefix(left).removesuffix(right)
    if between.strip() not in ("+", "-", "*"):
        raise IndexError
    space = draw.choice(("", "  ", "\t"))
    return found.with_code(node, f"{left}{space}{between.strip()}{space}{right}")


def _comma(found: Text, draw: random.Random) -> str:
    """One more behind the last argument, and each argument on a line of its own."""
    call = draw.choice(found.all(ast.Call, lambda each: bool(each.args) and "#" not in found.code(each)))
    if isinstance(call.args[0], ast.GeneratorExp):
        raise IndexError
    given = [*call.args, *call.keywords]
    between = draw.choice((", ", ",\n        ", ",  # residual +\n    "))
    arguments = between.join(map(found.code, given))
    return found.with_code(call, f"{found.code(call.func)}({arguments}{between.rstrip(' ')})")


def _tabs(found: Text, draw: random.Random) -> str:
    """The whole file is indented otherwise; the lines of strings stay."""
    if any(each.col_offset % 4 for each in found.all(ast.stmt)):  # it is indented otherwise already
        raise IndexError
    unit = draw.choice(("\t", "  ", "   ", "        "))
    inside = {
        line
        for node in found.all(ast.Constant | ast.JoinedStr)  # type: ignore[arg-type]
        for line in range(node.lineno + 1, (node.end_lineno or 0) + 1)
    }
    lines = found.text.split("\n")
    return "\n".join(
        line if number in inside else re.sub(r"^( {4})+", lambda spaces: unit * (len(spaces[0]) // 4), line)
        for number, line in enumerate(lines, 1)
    )


def _no_end(found: Text, draw: random.Random) -> str:
    return found.text.rstrip("\n") + draw.choice(("", "\n\n\n", "\n# end"))


def _continued(found: Text, draw: random.Random) -> str:
    r"""A backslash behind the sign of an assignment."""
    node = draw.choice(found.all(ast.Assign, lambda each: len(each.targets) == 1))
    target, value = found.code(node.targets[0]), found.code(node.value)
    if found.code(node) != f"{target} = {value}":
        raise IndexError
    return found.with_code(node, f"{target} = \\\n{draw.choice(('', '      '))}{value}")


def _reorder_statements(found: Text, draw: random.Random) -> str:
    """Two assignments in a row that have nothing to do with each other."""
    pairs = [(a, b) for block in found.blocks() for a, b in pairwise(block) if _are_independent(a, b)]
    first, second = draw.choice(pairs)
    lines = found.lines(first)
    later = Text.of(found.with_lines(second, lines))
    assert later is not None, "an exchange of assignments leaves Python"
    return later.with_lines(first, found.lines(second))


def _are_independent(first: ast.stmt, second: ast.stmt) -> bool:
    """Both bind plain names, of which the other one reads none, and change nothing else that is seen."""
    found = [_names(each) for each in (first, second)]
    if None in found or first_line(second) <= (first.end_lineno or 0):
        return False
    (bound, read), (others, also_read) = found  # type: ignore[misc]
    return not (bound & (others | also_read) or others & read)


# What is called by these alone only computes; a cache that is written and random numbers have an order.
# So have measures: whether the number of keys is read before or after values are made is where a prefix may come.
COMPUTING = re.compile(
    r"view|reshape|transpose|permute|contiguous|unsqueeze|squeeze|[qkv]_?(proj|lin)?|query|key|value|dense|fc\d"
)


def _names(node: ast.stmt) -> tuple[set[str], set[str]] | None:
    if not isinstance(node, ast.Assign) or not all(isinstance(each, ast.Name) for each in node.targets):
        return None
    calls = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
    called = (each.attr if isinstance(each, ast.Attribute) else "" for each in calls)
    if (
        any(isinstance(each, ast.Attribute) and each.attr == "shape" for each in ast.walk(node))
        or not all(COMPUTING.fullmatch(name) for name in called)
        or any(isinstance(n, ast.NamedExpr) for n in ast.walk(node))
    ):
        return None
    read = {each.id for each in ast.walk(node.value) if isinstance(each, ast.Name)}
    return {each.id for each in node.targets if isinstance(each, ast.Name)}, read


def _reorder_methods(found: Text, draw: random.Random) -> str:
    """Two methods in a row, which have other names and no decorators that the class itself gives."""
    pairs = [
        (a, b)
        for cls in found.all(ast.ClassDef)
        for a, b in pairwise(cls.body)
        if isinstance(a, ast.FunctionDef)
        and isinstance(b, ast.FunctionDef)
        and a.name != b.name
        and not any(name in ast.dump(each) for each in b.decorator_list for name in (f"'{a.name}'",))
        and not any(name in ast.dump(each) for each in a.decorator_list for name in (f"'{b.name}'",))
    ]
    first, second = draw.choice(pairs)
    later = Text.of(found.with_lines(second, found.lines(first)))
    assert later is not None, "an exchange of methods leaves Python"
    return later.with_lines(first, found.lines(second))


WAYS: tuple[Way, ...] = (
    _rename_locals, _rename_locals, _comment, _comment_behind, _string, _blank_lines, _parentheses, _spaces, _comma,
    _tabs, _no_end, _continued, _reorder_statements, _reorder_methods,
)  # fmt: skip
