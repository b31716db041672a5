"""Statements of a followed method: assignments, branches, loops, returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from adaptergen.tracing import conditions, expressions
from adaptergen.tracing.binding import bind, elements
from adaptergen.tracing.choices import choice
from adaptergen.tracing.values import Constant, Value


if TYPE_CHECKING:
    from adaptergen.tracing.tracer import Frame, Tracer

NOTHING = Constant(None)
MAX_UNROLLED = 8


def run_block(tracer: Tracer, frame: Frame, block: cst.BaseSuite) -> bool:
    """Follow the statements in order; True when the block always returns or raises."""
    return any(_run_statement(tracer, frame, statement) for statement in block.body)


def _run_statement(tracer: Tracer, frame: Frame, statement: cst.CSTNode) -> bool:
    tracer.step()
    if isinstance(statement, cst.SimpleStatementLine | cst.BaseCompoundStatement):
        frame.statement = statement
    match statement:
        case cst.SimpleStatementLine():
            return any(_run_small(tracer, frame, small) for small in statement.body)
        case cst.If():
            return _run_if(tracer, frame, statement)
        case cst.For():
            _run_for(tracer, frame, statement)
        case cst.While():
            _run_loop_body(tracer, frame, statement.body)
        case cst.With():
            return run_block(tracer, frame, statement.body)
        case cst.Try():
            return run_block(tracer, frame, statement.body)
        case cst.FunctionDef():
            frame.names[statement.name.value] = expressions.function_value(frame, statement)
        case cst.BaseSmallStatement():
            return _run_small(tracer, frame, statement)
    return False


def _run_small(tracer: Tracer, frame: Frame, small: cst.BaseSmallStatement) -> bool:
    match small:
        case cst.Assign():
            value = expressions.evaluate(tracer, frame, small.value)
            for target in small.targets:
                bind(frame, target.target, value)
        case cst.AnnAssign(value=cst.BaseExpression() as expression):
            bind(frame, small.target, expressions.evaluate(tracer, frame, expression))
        case cst.AugAssign():
            bind(frame, small.target, expressions.evaluate_augmented(tracer, frame, small))
        case cst.Expr():
            _run_expression(tracer, frame, small.value)
        case cst.Return():
            value = expressions.evaluate(tracer, frame, small.value) if small.value else NOTHING
            frame.returned.append(value)
            return True
        case cst.Raise() | cst.Continue() | cst.Break():
            return isinstance(small, cst.Raise)
    return False


def _run_expression(tracer: Tracer, frame: Frame, node: cst.BaseExpression) -> None:
    """`x.masked_fill_(mask, minimum)` makes `x` the result."""
    value = expressions.evaluate(tracer, frame, node)
    match node:
        case cst.Call(func=cst.Attribute(value=cst.Name(value=name), attr=cst.Name(value=method))):
            if method.endswith("_") and not method.endswith("__") and name in frame.names:
                frame.names[name] = value


def _run_if(tracer: Tracer, frame: Frame, statement: cst.If) -> bool:
    test = expressions.evaluate(tracer, frame, statement.test)
    known = conditions.truth(tracer, test)
    if known is not None:
        return _run_branch(tracer, frame, statement, test, taken=known)
    before_names, before_attributes = dict(frame.names), _attributes_copy(frame)
    body_ended = _run_branch(tracer, frame, statement, test, taken=True)
    body_names, body_attributes = frame.names, _attributes_copy(frame)
    frame.names = before_names
    _restore_attributes(frame, before_attributes)
    else_ended = _run_branch(tracer, frame, statement, test, taken=False)
    if body_ended and else_ended:
        return True
    if else_ended:
        frame.names = body_names
        _restore_attributes(frame, body_attributes)
    elif not body_ended:
        frame.names = _merged(body_names, frame.names)
        else_attributes = _attributes_copy(frame)
        _restore_attributes(frame, _merged(body_attributes, else_attributes))
        if frame.instance is not None:
            frame.instance.making.conditional |= body_attributes.keys() ^ else_attributes.keys()
    if body_ended or else_ended:
        frame.assumed.update(map(id, conditions.present_when(test, outcome=else_ended)))
    return False


def _run_branch(tracer: Tracer, frame: Frame, statement: cst.If, test: Value, *, taken: bool) -> bool:
    with tracer.assuming(frame, conditions.present_when(test, outcome=taken)):
        if taken:
            return run_block(tracer, frame, statement.body)
        match statement.orelse:
            case cst.If() as nested:
                return _run_if(tracer, frame, nested)
            case cst.Else() as otherwise:
                return run_block(tracer, frame, otherwise.body)
    return False


def _attributes_copy(frame: Frame) -> dict[str, Value]:
    return dict(frame.instance.making.attributes or {}) if frame.instance else {}


def _restore_attributes(frame: Frame, attributes: dict[str, Value]) -> None:
    if frame.instance is not None:
        frame.instance.making.attributes = attributes


def _merged(left: dict[str, Value], right: dict[str, Value]) -> dict[str, Value]:
    """The names after two branches: a name that both bind is a choice, one that only one binds is that one."""
    names = {**left, **right}
    return {
        name: choice([left[name], right[name]]) if name in left and name in right else value
        for name, value in names.items()
    }


def _run_for(tracer: Tracer, frame: Frame, statement: cst.For) -> None:
    iterated = expressions.evaluate(tracer, frame, statement.iter)
    for element in elements(iterated)[:MAX_UNROLLED]:
        bind(frame, statement.target, element)
        _run_loop_body(tracer, frame, statement.body)


def _run_loop_body(tracer: Tracer, frame: Frame, body: cst.BaseSuite) -> None:
    """Follow one pass of a loop; what it returns early is an alternative to what follows."""
    frame.loops += 1
    before = dict(frame.names)
    if run_block(tracer, frame, body):
        frame.names = before
    frame.loops -= 1
