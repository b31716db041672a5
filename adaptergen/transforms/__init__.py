"""Source and plan → the borrowed classes: upstream's methods with the planned edits, and nothing else of upstream."""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst
from msgspec import Struct

from adaptergen import naming
from adaptergen.plan import IntegrationPlan
from adaptergen.problems import Problem, ProblemsFound
from adaptergen.source import SourceModule
from adaptergen.transforms.borrowable import check_borrowable
from adaptergen.transforms.call_adapters import OWN_CALLS, AdapterCalls, call_adapters
from adaptergen.transforms.call_prefixes import call_prefixes
from adaptergen.transforms.edits import Edit, Replacement, call_lines, in_order, parsed
from adaptergen.transforms.imports import Imports, imports_for, origin_of
from adaptergen.transforms.own_class import drop_documentation, name_parents
from adaptergen.transforms.undo import check_undone
from adaptergen.transforms.unkept import lone_backslashes


class Borrowed(Struct, frozen=True):
    """Python text of the changed classes, what they import, and every edit that was made.

    Attributes:
        config_module: from which the configuration class is imported.
    """

    code: str
    imports: Imports
    edits: tuple[Edit, ...]
    config_module: str


def borrow_classes(
    source: SourceModule, plan: IntegrationPlan, calls: AdapterCalls = OWN_CALLS, others: Iterable[Replacement] = ()
) -> Borrowed:
    """Apply the plan's hooks to the methods that they name, in subclasses that have only these methods.

    Args:
        calls: of the runtime that the classes are for.
        others: what else that runtime needs changed in these methods.

    Raises:
        ProblemsFound: a statement that the plan names is gone, a method would mean something else in a subclass, or
            undoing the edits does not give upstream back, or two of them meet in one statement.
    """
    replacements = [
        *call_adapters(source, plan.residuals, calls),
        *(replacement for hook in plan.prefixes for replacement in call_prefixes(source, hook)),
        *others,
    ]
    methods = sorted({(r.edit.cls, r.edit.method) for r in replacements}, key=lambda key: _place(source, *key))
    check_borrowable(source, methods, plan.classes.all)
    replacements += [r for cls, method in methods for r in name_parents(source, cls, method)]
    _refuse_meeting(source, replacements)
    edits = [replacement.edit for replacement in replacements]
    classes: dict[str, list[cst.FunctionDef]] = {}
    for cls, method in methods:
        node, dropped = drop_documentation(source, cls, method)
        edits.extend(dropped)
        edits.extend(lone_backslashes(source, cls, method, edits))
        own = [r for r in replacements if (r.edit.cls, r.edit.method) == (cls, method)]
        classes.setdefault(cls, []).append(_apply(node, own))
    nodes = [_subclass(cls, bodies, source.classes[cls].node.body) for cls, bodies in classes.items()]
    borrowed = cst.Module(body=nodes, default_indent=source.tree.default_indent).code if nodes else ""
    check_undone(source, borrowed, edits)
    config_module = origin_of(source, plan.classes.config)
    return Borrowed(borrowed.strip("\n"), imports_for(source, nodes), tuple(in_order(edits)), config_module)


def _refuse_meeting(source: SourceModule, replacements: Iterable[Replacement]) -> None:
    """
    Raises:
        ProblemsFound: two changes meet in a statement, which can be replaced once.
    """
    met: dict[int, Edit] = {}
    for replacement in replacements:
        for statement in replacement.replaced:
            other = met.setdefault(id(statement), replacement.edit)
            if other is not replacement.edit:
                reasons = f"{other.because}; and {replacement.edit.because}"
                line = source.header(statement).partition("\n")[0]
                message = f"`{line}` would have to be changed twice: {reasons}"
                raise ProblemsFound(Problem("changes-meet", message, source.at(statement), "take the statement apart"))


def _place(source: SourceModule, cls: str, method: str) -> int:
    return source.lines_of(source.classes[cls].methods[method])[0]


class _Replacer(cst.CSTTransformer):
    def __init__(self, replacements: list[Replacement]) -> None:
        super().__init__()
        self._new = {id(r.replaced[0]): r.statements for r in replacements}
        self._removed = {id(statement) for r in replacements for statement in r.replaced[1:]}

    def on_leave(self, original_node: cst.CSTNodeT, updated_node: cst.CSTNodeT) -> object:  # type: ignore[override]
        if id(original_node) in self._removed:
            return cst.RemovalSentinel.REMOVE
        if id(original_node) in self._new:
            return cst.FlattenSentinel(self._new[id(original_node)])
        return super().on_leave(original_node, updated_node)


def _apply(method: cst.FunctionDef, replacements: list[Replacement]) -> cst.FunctionDef:
    edited = method.visit(_Replacer(replacements))
    assert isinstance(edited, cst.FunctionDef)
    return edited


def _subclass(cls: str, methods: list[cst.FunctionDef], upstream: cst.BaseSuite) -> cst.ClassDef:
    """`class GPTNeoBlockWithAdapters(GPTNeoBlockAdaptersMixin, GPTNeoBlock)` with these methods, indented as there."""
    lines = call_lines("", f"class {naming.with_adapters(cls)}", (naming.mixin(cls), cls), ":")
    empty = cst.ensure_type(parsed([*lines, "    pass"]), cst.ClassDef)
    body = [_spaced(method, first=index == 0) for index, method in enumerate(methods)]
    two_lines = [cst.EmptyLine(indent=False), cst.EmptyLine(indent=False)]
    indent = cst.ensure_type(upstream, cst.IndentedBlock).indent
    return empty.with_changes(body=cst.IndentedBlock(body=body, indent=indent), leading_lines=two_lines)


def _spaced(method: cst.FunctionDef, *, first: bool) -> cst.FunctionDef:
    """One blank line before a method, none before the first; comments above it stay."""
    comments = [line for line in method.leading_lines if line.comment is not None]
    return method.with_changes(leading_lines=comments if first else [cst.EmptyLine(indent=False), *comments])
