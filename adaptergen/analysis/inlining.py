"""What would be added at the call of a small function that only adds, if its body were written there?

def dropout_add(x, residual, prob, training):
    out = F.dropout(x, p=prob, training=training)
    return residual + out

output = dropout_add(output, residual, self.dropout, self.training)
         residual + F.dropout(output, p=self.dropout, training=self.training)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import libcst as cst
from msgspec import Struct

from adaptergen.source import Statement, descendants, expressions
from adaptergen.tracing.values import Site


Names = dict[str, cst.BaseExpression]
_CLOSED = (cst.Name, cst.Attribute, cst.Integer, cst.Float, cst.SimpleString, cst.Call, cst.Subscript)


class Inlined(Struct, frozen=True, eq=False):
    """The call, and what the names of the function stand for where it adds."""

    site: Site
    names: Mapping[str, cst.BaseExpression]

    def text(self, node: cst.BaseExpression) -> str:
        """An expression of the function in terms of the caller."""
        return self.site.module.code(_substituted(node, self.names))


def inlined(addition: Site) -> Inlined | None:
    """How the caller would write the addition; `None` where the function does more than that."""
    caller, function = addition.caller, addition.module.functions.get(addition.method)
    if caller is None or function is None or not caller.cls or caller.module is not addition.module:
        return None
    if not isinstance(caller.expression, cst.Call) or not _returns_it(function, addition.statement):
        return None
    names = _bound(caller.expression, function)
    if names is None or not _run_up_to(function.body, addition.statement, names):
        return None
    return Inlined(caller, names)


def _returns_it(function: cst.FunctionDef, addition: Statement) -> bool:
    """`return a + b`, or `out = a + b` and in the end `return out`."""
    last = function.body.body[-1]
    match addition, last:
        case cst.SimpleStatementLine(body=[cst.Return(value=cst.BinaryOperation())]), _:
            return addition is last
        case _, cst.SimpleStatementLine(body=[cst.Return(value=cst.Name(value=returned))]):
            bound = _binding(addition)
            if bound is None or bound[0] != returned or not isinstance(bound[1], cst.BinaryOperation):
                return False
            return _is_last_before(function.body, addition, last)
    return False


def _binding(statement: cst.CSTNode) -> tuple[str, cst.BaseExpression] | None:
    """The name and the value of `name = value`."""
    match statement:
        case cst.SimpleStatementLine(
            body=[cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))], value=value)]
        ):
            return name, value
    return None


def _is_last_before(block: cst.BaseSuite, addition: Statement, last: cst.CSTNode) -> bool:
    """Nothing but `if`s without another side stands between the addition and the return."""
    statements = [statement for statement in block.body if statement is not last]
    if not statements:
        return False
    final = statements[-1]
    if isinstance(final, cst.If) and final.orelse is None:
        return _is_last_before(final.body, addition, last)
    return final is addition


def _bound(call: cst.Call, function: cst.FunctionDef) -> Names | None:
    """The arguments by the names of the parameters; one that is read twice must be worth reading twice."""
    parameters = [parameter.name.value for parameter in function.params.params]
    names = {p.name.value: p.default for p in function.params.params if p.default is not None}
    for position, argument in enumerate(call.args):
        name = argument.keyword.value if argument.keyword else dict(enumerate(parameters)).get(position)
        if argument.star or name is None:
            return None
        names[name] = argument.value
    uses = Counter(name.value for name in descendants(function.body, cst.Name))
    is_read_once = all(uses[name] <= 1 or not any(map(_runs, expressions(value))) for name, value in names.items())
    return names if is_read_once and set(parameters) <= names.keys() else None


def _runs(node: cst.BaseExpression) -> bool:
    """A call of a module or a function; one of a tensor's method, as `expand_as`, is worth repeating."""
    match node:
        case cst.Call(func=cst.Attribute(value=cst.Name(value=name))):
            return name in ("self", "torch", "nn", "F")
    return isinstance(node, cst.Call)


def _run_up_to(block: cst.BaseSuite, goal: Statement, names: Names) -> bool:
    """Bind what the statements before the goal bind; `False` when one of them does something else."""
    for statement in block.body:
        if statement is goal:
            return True
        match statement:
            case cst.SimpleStatementLine(body=[cst.Expr(value=cst.SimpleString())]):
                continue
            case cst.If(orelse=None) if any(child is goal for child in statement.body.body):
                return _run_up_to(statement.body, goal, names)
            case cst.If(orelse=None) if _is_never(statement.test, names):
                continue
            case cst.If(orelse=None, body=cst.IndentedBlock(body=[only])) if bound := _binding(only):
                name, value = bound
                if name not in names:
                    return False
                test, chosen = (_substituted(node, names) for node in (statement.test, value))
                names[name] = cst.IfExp(test=test, body=chosen, orelse=names[name])
            case _ if bound := _binding(statement):
                names[bound[0]] = _substituted(bound[1], names)
            case _:
                return False
    return False


def _is_never(test: cst.BaseExpression, names: Names) -> bool:
    """`bias is not None` where the caller gives `None`."""
    match test:
        case cst.Comparison(
            left=cst.Name(value=name),
            comparisons=[cst.ComparisonTarget(operator=cst.IsNot(), comparator=cst.Name(value="None"))],
        ):
            value = names.get(name)
            return isinstance(value, cst.Name) and value.value == "None"
    return False


def _substituted(node: cst.BaseExpression, names: Mapping[str, cst.BaseExpression]) -> cst.BaseExpression:
    replaced = node.visit(_Substitution(names))
    assert isinstance(replaced, cst.BaseExpression)
    return replaced


class _Substitution(cst.CSTTransformer):
    def __init__(self, names: Mapping[str, cst.BaseExpression]) -> None:
        super().__init__()
        self._names = names

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        value = self._names.get(original_node.value)
        if value is None or isinstance(value, _CLOSED) or value.lpar:
            return value or updated_node
        return value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.Attribute:
        return updated_node.with_changes(attr=original_node.attr)

    def leave_Arg(self, original_node: cst.Arg, updated_node: cst.Arg) -> cst.Arg:
        return updated_node.with_changes(keyword=original_node.keyword)
