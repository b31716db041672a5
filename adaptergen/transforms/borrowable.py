"""Is a method what its class has once the file was run, and would it mean the same in a subclass of that class?

What is bound again later, or only under a condition, is not known to be what was read. In a subclass, private names
have another prefix, and `super()` and `__class__` are another class.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from adaptergen.bindings import bound_by, is_stored, run_with
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.source import SourceModule


Function = ast.FunctionDef | ast.AsyncFunctionDef


def check_borrowable(source: SourceModule, methods: Iterable[tuple[str, str]], named: Iterable[str]) -> None:
    """
    Args:
        methods: (class, method) of everything that is to be copied into a subclass.
        named: classes that other classes name.

    Raises:
        ProblemsFound: the copy of one would be something else, or a name of one; all of them are named.
    """
    problems = [problem for cls, method in methods for problem in _problems(source, cls, method)]
    problems += [_private_class(source, cls) for cls in dict.fromkeys(named) if _is_private(cls)]
    if problems:
        raise ProblemsFound(*problems)


def _problems(source: SourceModule, cls: str, method: str) -> Iterator[Problem]:
    tree = source.parsed.body
    owner = _last(tree, cls)
    if not isinstance(owner, ast.ClassDef) or owner not in tree:
        yield _problem("other-class", f"{cls} may be another class once the file was run", source, owner)
        return
    bound = _last(owner.body, method)
    patch = next((node for node in run_with(tree) if _is_patched(node, cls, method)), None)
    if patch is not None or not isinstance(bound, Function) or bound not in owner.body:
        message = f"{cls}.{method} may be another method once the file was run"
        yield _problem("other-method", message, source, patch or bound)
        return
    for node, what in _foreign(bound):
        message = f"{what} means something else in a subclass of {cls}, in which {method} is to be"
        yield _problem("not-in-subclass", message, source, node)


_FIXES = {
    "other-class": "bind the name once, in a class statement that stands in no other one",
    "other-method": "define the method once, in a place where nothing decides whether it is",
    "private-class": "call it something that does not start with two underscores",
    "not-in-subclass": "write it without; a super() on a line of its own, which is no head of a block, is understood",
}


def _problem(code: str, message: str, source: SourceModule, at: ast.AST | None) -> Problem:
    return Problem(code, message, Location(source.path, getattr(at, "lineno", 0)), _FIXES[code])


def _private_class(source: SourceModule, cls: str) -> Problem:
    message = f"{cls} is a private name, which means something else inside of another class"
    return _problem("private-class", message, source, _last(source.parsed.body, cls))


def _last(block: Sequence[ast.stmt], name: str) -> ast.stmt | None:
    """The last statement that gives the name a meaning."""
    return next((node for node in reversed(list(run_with(block))) if name in bound_by(node)), None)


def _is_patched(node: ast.stmt, cls: str, method: str) -> bool:
    """`Class.method = …`"""
    match node:
        case ast.Assign(targets=targets):
            return any(isinstance(each, ast.Attribute) and ast.unparse(each) == f"{cls}.{method}" for each in targets)
    return False


def _foreign(method: Function) -> Iterator[tuple[ast.AST, str]]:
    """What of a method is about the class that it stands in, apart from what is renamed."""
    first = [*method.args.posonlyargs, *method.args.args][:1]
    if [each.arg for each in first] != ["self"]:
        yield method, "a first parameter that is not `self`"
    renamed = {id(call) for node in ast.walk(method) for call in _renamed(node)}
    for node in ast.walk(method):
        match node:
            case ast.Name(id="self") if is_stored(node):
                yield node, "`self` that is bound again"
            case ast.Name(id="__class__"):
                yield node, "`__class__`"
            case ast.Call(func=ast.Name(id="super"), args=[], keywords=[]) if id(node) not in renamed:
                yield node, "a super() in the head of a block"
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) if _is_private(name):
                yield node, f"the private name {name}"


def _renamed(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in a statement without a block is renamed: `name_parents`."""
    if isinstance(node, ast.stmt) and not hasattr(node, "body"):
        yield from ast.walk(node)


def _is_private(name: str) -> bool:
    return name.startswith("__") and not name.endswith("__")
