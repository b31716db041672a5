"""Does hand-written attention cut a causal buffer by the number of keys?

query_length, key_length = query.size(-2), key.size(-2)
causal_mask = self.bias[:, :, key_length - query_length : key_length, :key_length]
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from adaptergen.analysis.attention import AttentionCall
from adaptergen.analysis.statements import address, method_node
from adaptergen.facts import LengthOfKeys
from adaptergen.source import Statement, descendants
from adaptergen.tracing.graph import depends_on
from adaptergen.tracing.values import Site


def find_lengths(call: AttentionCall) -> Iterator[LengthOfKeys]:
    """Each length that is read off the keys, with the cut of a buffer that it makes."""
    assert call.product is not None
    site = call.product.at
    keys = {
        name for name, value in site.names.items() if depends_on(call.key, value) and not depends_on(call.query, value)
    }
    statements = list(site.module.statements(method_node(site.module, site.cls, site.method)))
    for statement in statements:
        for name, expression in _bound_lengths(statement, keys):
            yield from _cuts(site, statements, statement, name, expression)


def _bound_lengths(statement: Statement, keys: set[str]) -> Iterator[tuple[str, cst.BaseExpression]]:
    """(`key_length`, `key.size(-2)`) for each name that the statement binds to a number of keys."""
    if not isinstance(statement, cst.SimpleStatementLine) or not isinstance(statement.body[0], cst.Assign):
        return
    assign = statement.body[0]
    for target, value in _pairs(assign.targets[0].target, assign.value):
        if isinstance(target, cst.Name) and _measured(value) in keys:
            yield target.value, value


def _pairs(
    target: cst.BaseExpression, value: cst.BaseExpression
) -> Iterator[tuple[cst.BaseExpression, cst.BaseExpression]]:
    if isinstance(target, cst.Tuple) and isinstance(value, cst.Tuple):
        for left, right in zip(target.elements, value.elements, strict=False):
            yield left.value, right.value
    else:
        yield target, value


def _measured(node: cst.BaseExpression) -> str:
    """`x` for `x.size(-2)` and `x.shape[-2]`."""
    match node:
        case cst.Call(
            func=cst.Attribute(value=cst.Name(value=name), attr=cst.Name(value="size")), args=[cst.Arg(value=position)]
        ):
            return name if _is_second_last(position) else ""
        case cst.Subscript(
            value=cst.Attribute(value=cst.Name(value=name), attr=cst.Name(value="shape")),
            slice=[cst.SubscriptElement(slice=cst.Index(value=position))],
        ):
            return name if _is_second_last(position) else ""
    return ""


def _is_second_last(node: cst.BaseExpression) -> bool:
    match node:
        case cst.UnaryOperation(operator=cst.Minus(), expression=cst.Integer(value="2")):
            return True
    return False


def _cuts(
    site: Site, statements: list[Statement], binding: Statement, name: str, expression: cst.BaseExpression
) -> Iterator[LengthOfKeys]:
    for statement in statements:
        match statement:
            case cst.SimpleStatementLine(
                body=[
                    cst.Assign(
                        targets=[cst.AssignTarget(target=cst.Name(value=cut))],
                        value=cst.Subscript(value=cst.Attribute(value=cst.Name(value="self"))) as buffer,
                    )
                ]
            ) if any(used.value == name for used in descendants(buffer, cst.Name)):
                yield LengthOfKeys(
                    site=address(site.module, site.cls, site.method, binding),
                    expression=site.module.code(expression),
                    slice_site=address(site.module, site.cls, site.method, statement),
                    slice_name=cut,
                )
