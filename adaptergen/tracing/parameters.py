"""Which arguments of a call meet which parameters of the function that is followed?"""

from __future__ import annotations

from collections.abc import Mapping

import libcst as cst

from adaptergen.tracing.values import Constant, Function, Input, Sequence, Value


# The key under which `**kwargs` of unknown content travels among keyword arguments.
OPEN = "**"


def bound_names(callee: Function, args: tuple[Value, ...], kwargs: Mapping[str, Value]) -> dict[str, Value] | None:
    """Parameters of the function and what they are bound to; None when it cannot be called like this."""
    assert isinstance(callee.node, cst.FunctionDef)
    params = callee.node.params
    positional = [p.name.value for p in (*params.posonly_params, *params.params)]
    if _is_class_method(callee.node):
        positional = positional[1:]
    elif positional[:1] == ["self"] and not _is_static(callee.node):
        positional = positional[1:]
        args = args if callee.instance is not None or not args else args[1:]
    if len(args) > len(positional) and not isinstance(params.star_arg, cst.Param):
        return None
    names: dict[str, Value] = dict(zip(positional, args, strict=False))
    if isinstance(params.star_arg, cst.Param):
        names[params.star_arg.name.value] = Sequence(args[len(positional) :])
    known = {*positional, *(p.name.value for p in params.kwonly_params)}
    for name, value in kwargs.items():
        if name in known:
            names[name] = value
        elif name != OPEN and params.star_kwarg is None:
            return None
    if params.star_kwarg is not None:
        names[params.star_kwarg.name.value] = Value()
    return _with_defaults(callee, names, is_open=OPEN in kwargs)


def _is_static(node: cst.FunctionDef) -> bool:
    return _is_decorated(node, "staticmethod")


def _is_class_method(node: cst.FunctionDef) -> bool:
    return _is_decorated(node, "classmethod")


def _is_decorated(node: cst.FunctionDef, name: str) -> bool:
    return any(isinstance(d.decorator, cst.Name) and d.decorator.value == name for d in node.decorators)


def _with_defaults(callee: Function, names: dict[str, Value], *, is_open: bool) -> dict[str, Value] | None:
    assert isinstance(callee.node, cst.FunctionDef)
    params = callee.node.params
    parameters = [*params.posonly_params, *params.params, *params.kwonly_params]
    for parameter in parameters[1:] if _is_class_method(callee.node) else parameters:
        name = parameter.name.value
        if name in names or (name == "self" and not _is_static(callee.node)):
            continue
        if parameter.default is None and not is_open:
            return None
        names[name] = _default(parameter)
    return names


def _default(parameter: cst.Param) -> Value:
    match parameter.default:
        case cst.Name(value="None"):
            return Constant(None)
        case cst.Name(value="True" | "False" as literal):
            return Constant(literal == "True")
        case cst.Integer(value=number):
            return Constant(int(number, 0))
        case cst.Float(value=number):
            return Constant(float(number))
        case cst.SimpleString() as text:
            return Constant(text.evaluated_value)
        case None:
            return Input(parameter.name.value)
    return Value()
