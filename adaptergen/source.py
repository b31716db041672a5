"""One parsed upstream module: its classes, functions, constants and imports, and where each statement stands."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property

import libcst as cst
from msgspec import Struct

from adaptergen.nodes import STATEMENTS, children, indented_blocks, statements
from adaptergen.nodes import Statement as Statement
from adaptergen.nodes import descendants as descendants
from adaptergen.nodes import expressions as expressions
from adaptergen.positions import Positions
from adaptergen.problems import Location, Problem, ProblemsFound


class ClassSource(Struct, frozen=True, eq=False):
    """A class as written: its methods by name, and the names it derives from."""

    name: str
    node: cst.ClassDef
    bases: tuple[str, ...]
    methods: dict[str, cst.FunctionDef]
    constants: dict[str, cst.BaseExpression]
    module: SourceModule

    @property
    def is_dataclass(self) -> bool:
        return any(dotted_name(decorator.decorator) == "dataclass" for decorator in self.node.decorators)


class ImportedName(Struct, frozen=True):
    """A name that an import statement binds, with the dotted name it stands for."""

    name: str
    dotted: str

    @property
    def is_relative(self) -> bool:
        """Only the file itself, where it lies, can import it."""
        return self.dotted.startswith(".")


class SourceModule(Struct, frozen=True, eq=False, dict=True):
    """The text and the tree of one file; nothing in it is ever executed."""

    name: str  # dotted, as Python would import it
    path: str  # as shown to people
    text: str
    tree: cst.Module
    package: str = ""  # where its relative imports start; "" where nothing but the file itself can follow them
    classes: dict[str, ClassSource] = {}
    functions: dict[str, cst.FunctionDef] = {}
    constants: dict[str, cst.BaseExpression] = {}
    imports: dict[str, ImportedName] = {}
    given: ast.Module | None = None

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def parsed(self) -> ast.Module:
        """The tree that Python's own parser makes of it; the given one, if it has been parsed before."""
        return self.given or ast.parse(self.text)

    @cached_property
    def _positions(self) -> Positions:
        return Positions(self.tree, self.parsed)

    def at(self, node: Statement) -> Location:
        """Where a statement is, after its decorators."""
        return Location(self.path, self._positions.lines(node)[0])

    def code(self, node: cst.CSTNode) -> str:
        """The text of a node without the comments and blank lines above it."""
        if isinstance(node, STATEMENTS):
            node = node.with_changes(leading_lines=())
        return self.tree.code_for_node(node).strip()

    @cached_property
    def lines(self) -> tuple[str, ...]:
        return tuple(self.text.splitlines())

    def lines_of(self, node: Statement | cst.Decorator) -> tuple[int, int]:
        """First and last line, counted from 1, of a statement with its decorators, without comments above it."""
        first = node.decorators[0] if isinstance(node, cst.FunctionDef | cst.ClassDef) and node.decorators else node
        return self._positions.lines(first)[0], self._positions.lines(node)[1]

    def header(self, statement: Statement) -> str:
        """The text that names a statement: all of a simple one, the first line of a compound one."""
        if statement not in self._headers:
            text = self.code(statement)
            is_block = isinstance(statement, cst.BaseCompoundStatement)
            self._headers[statement] = text.splitlines()[0] if is_block else text
        return self._headers[statement]

    @cached_property
    def _headers(self) -> dict[Statement, str]:
        """Those that were asked for: to find one statement by its text, all of a method are looked at."""
        return {}

    def statements(self, node: cst.CSTNode) -> Iterator[Statement]:
        """Every statement below a node, in the order of the text."""
        return statements(node)

    def following(self, statement: Statement) -> Statement | None:
        """The statement right after this one in the same block, apart from strings that nobody takes."""
        block, at = self._place(statement)
        return next((each for each in block[at + 1 :] if not _is_idle(each)), None)

    def preceding(self, statement: Statement) -> Statement | None:
        """The statement right before this one in the same block, apart from strings that nobody takes."""
        block, at = self._place(statement)
        return next((each for each in reversed(block[:at]) if not _is_idle(each)), None)

    def through(self, first: Statement, last: Statement) -> tuple[Statement, ...]:
        """The statements of a block from one to another one, both included."""
        block, at = self._place(first)
        return block[at : block.index(last) + 1]

    def _place(self, statement: Statement) -> tuple[tuple[Statement, ...], int]:
        """The indented block that a statement is in, and where there; the statement alone outside of any."""
        block = self._blocks.get(statement, (statement,))
        return block, block.index(statement)

    @cached_property
    def _blocks(self) -> dict[Statement, tuple[Statement, ...]]:
        blocks = (tuple(s for s in block.body if isinstance(s, STATEMENTS)) for block in indented_blocks(self.tree))
        return {statement: block for block in blocks for statement in block}

    def ancestry(self, name: str) -> Iterator[ClassSource]:
        """The class and its ancestors in this file, nearest first (a name met twice is yielded once)."""
        seen: set[str] = set()
        queue = [name]
        while queue:
            current = self.classes.get(queue.pop(0))
            if current is None or current.name in seen:
                continue
            seen.add(current.name)
            yield current
            queue.extend(current.bases)

    def find_method(self, class_name: str, method: str) -> tuple[ClassSource, cst.FunctionDef] | None:
        for owner in self.ancestry(class_name):
            if method in owner.methods:
                return owner, owner.methods[method]
        return None


def _is_idle(statement: Statement) -> bool:
    """A string that stands for itself."""
    match statement:
        case cst.SimpleStatementLine(body=[cst.Expr(value=cst.SimpleString() | cst.ConcatenatedString())]):
            return True
    return False


def parse_source(
    text: str, *, name: str, path: str, package: str | None = None, parsed: ast.Module | None = None
) -> SourceModule:
    """Parse a modeling file, whose package is the one that its name says unless another one is given.

    Args:
        parsed: what Python's own parser has made of the text.

    Raises:
        ProblemsFound: the text is not Python.
    """
    try:
        tree = cst.parse_module(text)
    except cst.ParserSyntaxError as error:
        raise ProblemsFound(
            Problem(
                "not-python", f"not valid Python: {error.message}", Location(path, error.raw_line), _NOT_PYTHON_FIX
            )
        ) from error
    except RecursionError as error:
        raise ProblemsFound(Problem("too-deep", "nested too deeply to be parsed", Location(path))) from error
    package = name.rpartition(".")[0] if package is None else package
    module = SourceModule(name=name, path=path, text=text, tree=tree, package=package, given=parsed)
    _collect(module, tree.body)
    return module


_NOT_PYTHON_FIX = "give a Python modeling file, such as modeling_<name>.py"


def _collect(module: SourceModule, body: Sequence[cst.CSTNode]) -> None:
    """Fill the lookups from module-level statements, also those inside `if` and `try`."""
    for node in body:
        match node:
            case cst.ClassDef():
                module.classes[node.name.value] = _class_source(module, node)
            case cst.FunctionDef():
                module.functions[node.name.value] = node
            case cst.SimpleStatementLine():
                for small in node.body:
                    _collect_small(module, small)
            case cst.If() | cst.Try() | cst.With():
                for block in _blocks(node):
                    _collect(module, block)


def _blocks(node: cst.CSTNode) -> Iterator[Sequence[cst.CSTNode]]:
    for child in children(node):
        if isinstance(child, cst.IndentedBlock):
            yield child.body
        elif isinstance(child, cst.If | cst.Else | cst.ExceptHandler | cst.Finally):
            yield from _blocks(child)


def _collect_small(module: SourceModule, node: cst.BaseSmallStatement) -> None:
    match node:
        case cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))], value=value):
            module.constants[name] = value
        case cst.AnnAssign(target=cst.Name(value=name), value=cst.BaseExpression() as value):
            module.constants[name] = value
        case cst.Import(names=names):
            for alias in names:
                dotted = dotted_name(alias.name)
                bound = alias.evaluated_alias or dotted.partition(".")[0]
                target = dotted if alias.evaluated_alias else bound
                module.imports[bound] = ImportedName(bound, target)
        case cst.ImportFrom(names=[*_] as names):
            origin = _import_origin(module.package, node)
            for alias in names:
                name = dotted_name(alias.name)
                bound = alias.evaluated_alias or name
                module.imports[bound] = ImportedName(bound, f"{origin}.{name}")


def _import_origin(package: str, node: cst.ImportFrom) -> str:
    """The absolute module of `from …x import y`, read relative to the package of the module.

    It stays relative where that is too short: for a file outside of any package.
    """
    written = dotted_name(node.module) if node.module else ""
    if not node.relative:
        return written
    parts = package.split(".") if package else []
    above = parts[: len(parts) + 1 - len(node.relative)]
    if not above:
        return f".{written}"
    return ".".join([*above, written]) if written else ".".join(above)


def _class_source(module: SourceModule, node: cst.ClassDef) -> ClassSource:
    methods: dict[str, cst.FunctionDef] = {}
    constants: dict[str, cst.BaseExpression] = {}
    for statement in node.body.body:
        match statement:
            case cst.FunctionDef():
                methods[statement.name.value] = statement
            case cst.SimpleStatementLine(
                body=[cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))], value=value), *_]
            ):
                constants[name] = value
            case cst.SimpleStatementLine(
                body=[cst.AnnAssign(target=cst.Name(value=name), value=cst.BaseExpression() as value), *_]
            ):
                constants[name] = value
    bases = tuple(dotted_name(base.value) for base in node.bases if isinstance(base.value, cst.Name | cst.Attribute))
    return ClassSource(node.name.value, node, bases, methods, constants, module)


def string_value(node: cst.BaseExpression) -> str:
    """The text that a string literal is, however it is written; "" for anything else."""
    value = node.evaluated_value if isinstance(node, cst.SimpleString | cst.ConcatenatedString) else None
    return value if isinstance(value, str) else ""


def dotted_name(node: cst.BaseExpression) -> str:
    """`a.b.c` for a chain of attributes, "" for anything else."""
    match node:
        case cst.Name(value=value):
            return value
        case cst.Attribute(value=value, attr=cst.Name(value=attribute)):
            head = dotted_name(value)
            return f"{head}.{attribute}" if head else ""
    return ""
