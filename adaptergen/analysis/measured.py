"""Where hand-written attention measures its keys, does the number count the prefix, and may it?

source_length = key.size(1)                                                 ← a prefix has to join the keys before this
scores = torch.bmm(query, key.transpose(1, 2))
if scores.size() != (batch * heads, target_length, source_length): ...      shapes of scores count the prefix
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import libcst as cst

from adaptergen.analysis.statements import enclosing_blocks, method_node
from adaptergen.nodes import children
from adaptergen.source import Statement, descendants
from adaptergen.tracing.values import Site


SHAPED = frozenset(("view", "reshape", "expand"))


def measured_names(statements: list[Statement], names: set[str]) -> Mapping[str, Statement]:
    """Names that are bound to the sizes of the given ones, with the statements that bind them."""
    found: dict[str, Statement] = {}
    for statement in statements:
        if not isinstance(statement, cst.SimpleStatementLine) or not isinstance(statement.body[0], cst.Assign):
            continue
        assign = statement.body[0]
        if any(measures(node, names) for node in descendants(assign.value, cst.Attribute)):
            targets = (name.value for target in assign.targets for name in descendants(target, cst.Name))
            widths = {name.value for name in _widths(assign)}
            found.update((name, statement) for name in targets if name not in widths)
    return found


def _widths(assign: cst.Assign) -> Iterator[cst.Name]:
    """Names of the last size: `width` in `*_, length, width = x.shape`, and in `width = x.size(-1)`."""
    match assign:
        case cst.Assign(
            targets=[cst.AssignTarget(target=cst.Tuple(elements=[*_, cst.Element(value=cst.Name() as last)]))],
            value=cst.Attribute(attr=cst.Name(value="shape")) | cst.Call(func=cst.Attribute(), args=[]),
        ):
            yield last
        case cst.Assign(targets=[cst.AssignTarget(target=cst.Name() as name)], value=value) if _is_last(value):
            yield name


def _is_last(value: cst.BaseExpression) -> bool:
    match value:
        case cst.Call(func=cst.Attribute(), args=[cst.Arg(value=position)]):
            pass
        case cst.Subscript(value=cst.Attribute(), slice=[cst.SubscriptElement(slice=cst.Index(value=position))]):
            pass
        case _:
            return False
    match position:
        case cst.UnaryOperation(operator=cst.Minus(), expression=cst.Integer(value="1")):
            return True
    return False


def measures(node: cst.Attribute, names: set[str]) -> bool:
    """Is it `x.size` or `x.shape` of one of the names?"""
    match node:
        case cst.Attribute(value=cst.Name(value=name), attr=cst.Name(value="size" | "shape")):
            return name in names
    return False


def told_of(statement: Statement, names: set[str]) -> Iterator[str]:
    """Names of which the statement reads nothing but the shape, the type, or whether there is a value at all."""
    nodes = [node for kind in (cst.Attribute, cst.Call, cst.Comparison) for node in descendants(statement, kind)]
    for name in names:
        told = sum(_tells(node, name) for node in nodes)
        if told == sum(node.value == name for node in name_nodes(statement)):
            yield name


def _tells(node: cst.CSTNode, name: str) -> bool:
    match node:
        case cst.Attribute(value=cst.Name(value=found), attr=cst.Name(value="size" | "shape" | "dtype" | "device")):
            return found == name
        case cst.Call(func=cst.Attribute(attr=cst.Name(value="type_as")), args=[cst.Arg(value=cst.Name(value=found))]):
            return found == name
        case cst.Comparison(left=cst.Name(value=found), comparisons=[cst.ComparisonTarget(operator=operator)]):
            return found == name and isinstance(operator, cst.Is | cst.IsNot)
    return False


def name_nodes(node: cst.CSTNode) -> Iterator[cst.Name]:
    """Names that are read or bound in it; those of attributes are none."""
    for child in children(node):
        if isinstance(child, cst.Name):
            yield child
        elif isinstance(child, cst.Attribute):
            yield from name_nodes(cst.Expr(child.value)) if isinstance(child.value, cst.Name) else name_nodes(child)
        else:
            yield from name_nodes(child)


def before_measures(site: Site, before: Statement, names: set[str], measured: set[str]) -> Statement:
    """The first statement that measures some of the names after all of them are complete, or else the given one."""
    found = before
    for statement in reversed(_siblings_until(site, before)):
        if _binds(statement, names):
            break
        if measured_names([statement], measured):
            found = statement
    return found


def _siblings_until(site: Site, statement: Statement) -> list[Statement]:
    """The statements in front of this one in the same block."""
    chain = enclosing_blocks(method_node(site.module, site.cls, site.method), statement)
    owner = chain[-2] if len(chain) > 1 else method_node(site.module, site.cls, site.method)
    blocks = [block for block in descendants(owner, cst.IndentedBlock) if any(s is statement for s in block.body)]
    if not blocks:
        return []
    siblings = [s for s in blocks[0].body if isinstance(s, cst.SimpleStatementLine | cst.BaseCompoundStatement)]
    return siblings[: next(index for index, s in enumerate(siblings) if s is statement)]


def _binds(statement: Statement, names: set[str]) -> bool:
    bound = [node.target for node in descendants(statement, cst.AssignTarget)]
    grown = [node.target for node in descendants(statement, cst.AugAssign)]
    return any(name.value in names for target in (*bound, *grown) for name in descendants(target, cst.Name))


def uses_beyond_shapes(statement: Statement, lengths: set[str]) -> Iterator[str]:
    """Lengths that a statement uses for something else than the shapes of scores."""
    header = statement.test if isinstance(statement, cst.If) else statement
    if isinstance(statement, cst.BaseCompoundStatement) and header is statement:
        return
    yield from _uses(header, lengths)


def _uses(node: cst.CSTNode, lengths: set[str]) -> Iterator[str]:
    match node:
        case cst.Name(value=name):
            if name in lengths:
                yield name
        case cst.Comparison() | cst.Raise() | cst.AssignTarget():
            return
        case cst.Attribute(value=owner):
            yield from _uses(owner, lengths)
        case cst.Call(func=cst.Attribute(value=owner, attr=cst.Name(value=method))) if method in SHAPED:
            yield from _uses(owner, lengths)
        case _:
            for child in children(node):
                yield from _uses(child, lengths)
