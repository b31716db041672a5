"""Where does a statement stand, so that it is found again by its text?"""

from __future__ import annotations

import libcst as cst

from adaptergen.facts import StatementSite
from adaptergen.nodes import blocks
from adaptergen.source import SourceModule, Statement
from adaptergen.tracing.values import Site


def statement_site(site: Site) -> StatementSite:
    """The address of the statement that made a value."""
    return address(site.module, site.cls, site.method, site.statement)


def address(module: SourceModule, cls: str, method: str, statement: Statement) -> StatementSite:
    text = module.header(statement)
    node = method_node(module, cls, method)
    equals = [found for found in module.statements(node) if module.header(found) == text]
    nth = next((index for index, found in enumerate(equals) if found is statement), 0)
    return StatementSite(cls, method, text, nth, module.at(statement))


def binds(module: SourceModule, statement: Statement, expression: cst.BaseExpression) -> str:
    """What a statement binds to an expression, as written; "" for one that is anything else."""
    match statement:
        case cst.SimpleStatementLine(body=[cst.Assign(targets=[cst.AssignTarget(target=target)], value=value)]):
            return module.code(target) if value is expression else ""
    return ""


def method_node(module: SourceModule, cls: str, method: str) -> cst.FunctionDef:
    return module.classes[cls].methods[method] if cls else module.functions[method]


def statements_from(site: Site, first: Statement) -> list[Statement]:
    """The statements of the method from this one on."""
    statements = list(site.module.statements(method_node(site.module, site.cls, site.method)))
    return statements[statements.index(first) :]


def enclosing_blocks(node: cst.CSTNode, statement: Statement) -> list[Statement]:
    """The statement and the compound statements around it, innermost last, below the given function."""
    for child in blocks(node):
        if child is statement:
            return [statement]
        inner = enclosing_blocks(child, statement)
        if inner:
            return [child, *inner] if isinstance(child, cst.BaseCompoundStatement) else inner
    return []
