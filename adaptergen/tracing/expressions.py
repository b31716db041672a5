"""Expressions of a followed method: names, attributes, subscripts, operators, comprehensions."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import libcst as cst

from adaptergen.source import ClassSource
from adaptergen.tracing import attributes, calls, conditions
from adaptergen.tracing.binding import bind, elements
from adaptergen.tracing.choices import choice
from adaptergen.tracing.values import (
    Both,
    ClassReference,
    Constant,
    Dictionary,
    External,
    Function,
    Instance,
    IsNone,
    Item,
    Operation,
    Sequence,
    Sum,
    Value,
)


if TYPE_CHECKING:
    from adaptergen.tracing.tracer import Frame, Tracer


def evaluate(tracer: Tracer, frame: Frame, node: cst.BaseExpression) -> Value:
    tracer.step()
    evaluator = _EVALUATORS.get(type(node))
    return evaluator(tracer, frame, node) if evaluator else Value()


def _name(tracer: Tracer, frame: Frame, node: cst.Name) -> Value:
    name = node.value
    if name in frame.names:
        return frame.names[name]
    if name == "self" and frame.instance is not None:
        return frame.instance
    return _global(tracer, frame, name)


def _global(tracer: Tracer, frame: Frame, name: str) -> Value:
    if name in _LITERALS:
        return Constant(_LITERALS[name])
    module = frame.module
    if name in module.classes:
        return ClassReference(module.classes[name])
    if name in module.functions:
        return Function(module.functions[name], module)
    if name in module.imports:
        return External(module.imports[name].dotted)
    if name in module.constants:
        return evaluate(tracer, frame, module.constants[name])
    return External(f"builtins.{name}")


_LITERALS = {"None": None, "True": True, "False": False}


def _attribute(tracer: Tracer, frame: Frame, node: cst.Attribute) -> Value:
    return attributes.attribute(tracer, frame, evaluate(tracer, frame, node.value), node.attr.value)


def _subscript(tracer: Tracer, frame: Frame, node: cst.Subscript) -> Value:
    owner = evaluate(tracer, frame, node.value)
    if len(node.slice) == 1 and isinstance(node.slice[0].slice, cst.Index):
        index = evaluate(tracer, frame, node.slice[0].slice.value)
        return attributes.item(owner, index, frame.module.code(node.slice[0]))
    text = ", ".join(frame.module.code(part).rstrip(", ") for part in node.slice)
    if isinstance(owner, Sequence) and len(node.slice) == 1:
        return attributes.sliced(owner, node.slice[0].slice)
    return Item(owner, text, tuple(_slice_values(tracer, frame, node)), _bounds(tracer, frame, node.slice[-1].slice))


def _bounds(tracer: Tracer, frame: Frame, part: cst.BaseSlice) -> tuple[Value | None, ...]:
    if not isinstance(part, cst.Slice) or part.step is not None or (part.lower is None and part.upper is None):
        return ()
    return tuple(None if end is None else evaluate(tracer, frame, end) for end in (part.lower, part.upper))


def _slice_values(tracer: Tracer, frame: Frame, node: cst.Subscript) -> list[Value]:
    return [evaluate(tracer, frame, part.slice.value) for part in node.slice if isinstance(part.slice, cst.Index)]


def _binary(tracer: Tracer, frame: Frame, node: cst.BinaryOperation) -> Value:
    left, right = evaluate(tracer, frame, node.left), evaluate(tracer, frame, node.right)
    return _combined(tracer, frame, node, type(node.operator).__name__, left, right)


def evaluate_augmented(tracer: Tracer, frame: Frame, node: cst.AugAssign) -> Value:
    """`x += y` makes the same value as `x + y`."""
    left, right = evaluate(tracer, frame, node.target), evaluate(tracer, frame, node.value)
    operator = type(node.operator).__name__.removesuffix("Assign")
    return _combined(tracer, frame, node.value, operator, left, right)


def _combined(
    tracer: Tracer, frame: Frame, node: cst.BaseExpression, operator: str, left: Value, right: Value
) -> Value:
    if operator == "Add" and isinstance(left, Sequence) and isinstance(right, Sequence):
        return Sequence((*left.items, *right.items))
    if operator == "Add":
        return _sum(tracer, Sum(left, right, frame.site(node)))
    return operation(tracer, frame, node, _OPERATORS.get(operator, operator), (left, right))


MOST_TERMS = 50  # of one sum that are kept apart; models have six


def _sum(tracer: Tracer, total: Sum) -> Value:
    """A sum, or of too many terms anything."""
    if total.terms > MOST_TERMS:
        return Value()
    tracer.sums.append(total)
    return total


_OPERATORS = {"Multiply": "mul", "MatrixMultiply": "matmul", "Divide": "div", "Subtract": "sub", "Power": "pow"}


def operation(tracer: Tracer, frame: Frame, node: cst.BaseExpression, name: str, args: tuple[Value, ...]) -> Operation:
    made = Operation(name, args, {}, frame.site(node))
    tracer.operations.append(made)
    return made


def _unary(tracer: Tracer, frame: Frame, node: cst.UnaryOperation) -> Value:
    inner = evaluate(tracer, frame, node.expression)
    match node.operator, inner:
        case cst.Minus(), Constant(value=int() | float() as number):
            return Constant(-number)
        case cst.Not(), _:
            known = conditions.truth(tracer, inner)
            return Constant(not known) if known is not None else operation(tracer, frame, node, "not", (inner,))
    return operation(tracer, frame, node, type(node.operator).__name__.lower(), (inner,))


def _boolean(tracer: Tracer, frame: Frame, node: cst.BooleanOperation) -> Value:
    left = evaluate(tracer, frame, node.left)
    known = conditions.truth(tracer, left)
    if isinstance(node.operator, cst.And):
        if known is False:
            return left
        with tracer.assuming(frame, conditions.present_when(left, outcome=True)):
            right = evaluate(tracer, frame, node.right)
        return right if known else Both((left, right))
    if known:
        return left
    right = evaluate(tracer, frame, node.right)
    return right if known is False else operation(tracer, frame, node, "or", (left, right))


def _comparison(tracer: Tracer, frame: Frame, node: cst.Comparison) -> Value:
    left = evaluate(tracer, frame, node.left)
    target = node.comparisons[0]
    right = evaluate(tracer, frame, target.comparator)
    if isinstance(target.operator, cst.Is | cst.IsNot) and isinstance(right, Constant) and right.value is None:
        negated = isinstance(target.operator, cst.IsNot)
        none = conditions.is_none(tracer, left)
        return IsNone(left, negated) if none is None else Constant(none != negated)
    match left, target.operator, right:
        case Constant(value=a), cst.Equal(), Constant(value=b):
            return Constant(a == b)
        case Constant(value=a), cst.NotEqual(), Constant(value=b):
            return Constant(a != b)
    return operation(tracer, frame, node, type(target.operator).__name__.lower(), (left, right))


def _if_expression(tracer: Tracer, frame: Frame, node: cst.IfExp) -> Value:
    test = evaluate(tracer, frame, node.test)
    known = conditions.truth(tracer, test)
    outcomes = [
        _assumed(tracer, frame, test, outcome, branch)
        for outcome, branch in ((True, node.body), (False, node.orelse))
        if known is None or known == outcome
    ]
    return choice(outcomes)


def _assumed(tracer: Tracer, frame: Frame, test: Value, outcome: bool, node: cst.BaseExpression) -> Value:
    with tracer.assuming(frame, conditions.present_when(test, outcome=outcome)):
        return evaluate(tracer, frame, node)


def _sequence(tracer: Tracer, frame: Frame, node: cst.Tuple | cst.List) -> Value:
    items: list[Value] = []
    for element in node.elements:
        value = evaluate(tracer, frame, element.value)
        if not isinstance(element, cst.StarredElement):
            items.append(value)
        elif isinstance(value, Sequence):
            items.extend(value.items)
        else:
            items.append(Item(value, "*"))
    return Sequence(tuple(items))


def _comprehension(tracer: Tracer, frame: Frame, node: cst.ListComp | cst.GeneratorExp) -> Value:
    before = dict(frame.names)
    iterated = evaluate(tracer, frame, node.for_in.iter)
    made = []
    for element in elements(iterated):
        bind(frame, node.for_in.target, element)
        made.append(evaluate(tracer, frame, node.elt))
    frame.names = before
    return Sequence(tuple(made), repeated=not isinstance(iterated, Sequence) or iterated.repeated)


def _dictionary(tracer: Tracer, frame: Frame, node: cst.Dict) -> Value:
    items: dict[object, Value] = {}
    for element in node.elements:
        if isinstance(element, cst.DictElement):
            key = evaluate(tracer, frame, element.key)
            items[key.value if isinstance(key, Constant) else id(key)] = evaluate(tracer, frame, element.value)
    return Dictionary(items)


def _number(tracer: Tracer, frame: Frame, node: cst.Integer | cst.Float | cst.SimpleString) -> Value:
    return Constant(ast.literal_eval(node.value))


def _call(tracer: Tracer, frame: Frame, node: cst.Call) -> Value:
    return calls.evaluate_call(tracer, frame, node)


def _named(tracer: Tracer, frame: Frame, node: cst.NamedExpr) -> Value:
    value = evaluate(tracer, frame, node.value)
    bind(frame, node.target, value)
    return value


def _lambda(tracer: Tracer, frame: Frame, node: cst.Lambda) -> Value:
    return Function(node, frame.module, frame.owner, frame.instance)


def function_value(frame: Frame, node: cst.FunctionDef) -> Function:
    """A function defined inside a method."""
    return Function(node, frame.module, frame.owner, frame.instance)


def class_of(value: Value) -> ClassSource | None:
    return value.cls if isinstance(value, Instance) and isinstance(value.cls, ClassSource) else None


_EVALUATORS: dict[type[cst.CSTNode], Callable[[Any, Any, Any], Value]] = {
    cst.Name: _name,
    cst.Attribute: _attribute,
    cst.Subscript: _subscript,
    cst.BinaryOperation: _binary,
    cst.UnaryOperation: _unary,
    cst.BooleanOperation: _boolean,
    cst.Comparison: _comparison,
    cst.IfExp: _if_expression,
    cst.Tuple: _sequence,
    cst.List: _sequence,
    cst.ListComp: _comprehension,
    cst.GeneratorExp: _comprehension,
    cst.Dict: _dictionary,
    cst.Integer: _number,
    cst.Float: _number,
    cst.SimpleString: _number,
    cst.Call: _call,
    cst.NamedExpr: _named,
    cst.Lambda: _lambda,
}
