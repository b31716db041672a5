"""Calls: what is called, with what, and is it followed?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import libcst as cst

from adaptergen.source import ClassSource
from adaptergen.tracing import attributes, containers, expressions, known_calls
from adaptergen.tracing.binding import assign_attribute, elements
from adaptergen.tracing.choices import choice, is_structured
from adaptergen.tracing.graph import external_bases
from adaptergen.tracing.parameters import OPEN, bound_names
from adaptergen.tracing.values import (
    Attribute,
    Call,
    Choice,
    ClassReference,
    Config,
    Constant,
    Dead,
    External,
    Function,
    Instance,
    Operation,
    Sequence,
    Site,
    SuperOf,
    Value,
    alternatives,
    config_path,
    is_whole,
)


if TYPE_CHECKING:
    from adaptergen.tracing.tracer import Frame, Tracer

# Class methods of transformers that make a model of a configuration.
FROM_CONFIG = ("_from_config", "from_config")

Arguments = tuple[tuple[Value, ...], dict[str, Value]]

# Modules that do nothing but call a function, which is what matters about them.
FUNCTIONS = {"torch.nn.Softmax": "softmax", "torch.nn.MultiheadAttention": "multi_head_attention"}

# `Function.apply(…)` of a class that derives from this calls `forward(context, …)`.
AUTOGRAD = "torch.autograd.Function"


def evaluate_call(tracer: Tracer, frame: Frame, node: cst.Call) -> Value:
    listed = containers.chained_list(tracer, frame, node)
    if listed is not None:
        return listed
    match node.func:
        case cst.Name(value="super"):
            return _super(frame)
        case cst.Attribute(value=receiver_node, attr=cst.Name(value=method)):
            receiver = expressions.evaluate(tracer, frame, receiver_node)
            args, kwargs = _arguments(tracer, frame, node)
            return _method_call(tracer, frame, node, receiver, method, args, kwargs)
    callee = expressions.evaluate(tracer, frame, node.func)
    args, kwargs = _arguments(tracer, frame, node)
    return call(tracer, callee, args, kwargs, frame, node)


def _super(frame: Frame) -> Value:
    if frame.owner is None or frame.instance is None:
        return Value()
    return SuperOf(frame.owner, frame.instance)


def _arguments(tracer: Tracer, frame: Frame, node: cst.Call) -> Arguments:
    args: list[Value] = []
    kwargs: dict[str, Value] = {}
    for argument in node.args:
        value = expressions.evaluate(tracer, frame, argument.value)
        if argument.keyword is not None:
            kwargs[argument.keyword.value] = value
        elif argument.star == "**":
            kwargs[OPEN] = value
        elif argument.star == "*" and isinstance(value, Sequence):
            args.extend(value.items)
        else:
            args.append(value)
    return tuple(args), kwargs


def _method_call(
    tracer: Tracer,
    frame: Frame,
    node: cst.Call,
    receiver: Value,
    method: str,
    args: tuple[Value, ...],
    kwargs: dict[str, Value],
) -> Value:
    """`receiver.method(...)`, where a tensor method is an operation whose first argument is the tensor."""
    if method in ("append", "extend") and containers.is_list(receiver):
        return _grow(frame, node, receiver, method, args)
    if isinstance(receiver, Choice) and is_structured(receiver):
        options = [_method_call(tracer, frame, node, option, method, args, kwargs) for option in receiver.options]
        return choice(options)
    if isinstance(receiver, Attribute) and isinstance(receiver.value, Config):
        receiver = receiver.value
    if isinstance(receiver, Config):
        return receiver if method == "get_text_config" else Value()
    if method in FROM_CONFIG and isinstance(receiver, ClassReference):
        return Instance(receiver.cls, args[:1] or tuple(kwargs.values())[:1])
    if isinstance(receiver, ClassReference) and method == "apply" and AUTOGRAD in external_bases(receiver.cls):
        method, args = "forward", (Value(), *args)
    if method == "update" and len(args) >= 3:
        return _cache_update(tracer, frame, node, receiver, args)
    if isinstance(receiver, Instance | External | SuperOf | ClassReference):
        callee = attributes.attribute(tracer, frame, receiver, method)
        if not isinstance(callee, Attribute) or callee.value is not None:
            return call(tracer, callee, args, kwargs, frame, node)
    made = _operation(tracer, frame, node, method, (receiver, *args), kwargs)
    if method.endswith("_") and isinstance(node.func, cst.Attribute):  # torch changes the tensor in place
        _rebind(frame, node.func.value, made)
    return made


def _cache_update(tracer: Tracer, frame: Frame, node: cst.Call, receiver: Value, args: tuple[Value, ...]) -> Value:
    """`cache.update(key, value, layer_idx)` gives back all keys and all values seen so far."""
    extended = [_operation(tracer, frame, node, "cache_update", (state, receiver), {}) for state in args[:2]]
    return Sequence(tuple(extended))


def _grow(frame: Frame, node: cst.Call, receiver: Value, method: str, args: tuple[Value, ...]) -> Value:
    """`list.append(x)`: the name that held the list holds the longer one from now on."""
    added = args if method == "append" else elements(args[0])
    grown = [
        Sequence((*known.items, *added), frame.loops > 0, known.is_modules, known.path)
        for known in alternatives(receiver)
        if isinstance(known, Sequence)
    ]
    if isinstance(node.func, cst.Attribute):
        _rebind(frame, node.func.value, choice(list(grown)))
    return Constant(None)


def _rebind(frame: Frame, target: cst.BaseExpression, value: Value) -> None:
    match target:
        case cst.Name(value=name):
            frame.names[name] = value
        case cst.Attribute(value=cst.Name(value="self"), attr=cst.Name(value=name)) if frame.instance:
            assign_attribute(frame.instance, name, value)


def call(
    tracer: Tracer,
    callee: Value,
    args: tuple[Value, ...],
    kwargs: Mapping[str, Value],
    frame: Frame,
    node: cst.Call | None,
) -> Value:
    match callee:
        case Choice():
            return choice([call(tracer, option, args, kwargs, frame, node) for option in callee.options])
        case Dead():
            return callee
        case Constant(value=None):
            return Dead()
        case Function():
            return _call_function(tracer, callee, args, kwargs, frame.site(node) if node else None)
        case ClassReference():
            return Instance(callee.cls, args, dict(kwargs))
        case External() if node is not None:
            return _call_external(tracer, frame, node, callee, args, dict(kwargs))
        case Instance() if node is not None:
            return _call_module(tracer, frame, node, callee, args, dict(kwargs))
        case Sequence(is_modules=True, items=[_, *_]) if node is not None and len(args) == 1:
            return containers.run_chain(tracer, frame, node, callee, args[0])
    if node is None:
        return Value()
    return _recorded(tracer, Call(callee, args, kwargs, frame.site(node)))


def _recorded(tracer: Tracer, made: Call) -> Call:
    tracer.calls.append(made)
    return made


def _call_module(
    tracer: Tracer, frame: Frame, node: cst.Call, callee: Instance, args: tuple[Value, ...], kwargs: dict[str, Value]
) -> Value:
    if isinstance(callee.cls, External) and callee.cls.dotted in FUNCTIONS:
        inputs = [kwargs.pop(name) for name in ("query", "key", "value") if name in kwargs]
        return _operation(tracer, frame, node, FUNCTIONS[callee.cls.dotted], (*args, *inputs), kwargs)
    if isinstance(callee.cls, External) or callee.cls.name in tracer.leaves:
        return _recorded(tracer, Call(callee, args, kwargs, frame.site(node)))
    found = tracer.find_method(callee.cls, "forward")
    if found is None:
        return _recorded(tracer, Call(callee, args, kwargs, frame.site(node)))
    owner, method = found
    site = frame.site(node)
    result = _call_function(tracer, Function(method, owner.module, owner, callee), args, kwargs, site)
    return result if isinstance(result, Dead) else _recorded(tracer, Call(callee, args, kwargs, site, result))


def _call_function(
    tracer: Tracer, callee: Function, args: tuple[Value, ...], kwargs: Mapping[str, Value], caller: Site | None
) -> Value:
    if isinstance(callee.node, cst.Lambda):
        return Value()
    names = bound_names(callee, args, kwargs)
    if names is None:
        return Dead()
    return tracer.run(callee.node, callee.module, callee.owner, callee.instance, names, caller)


def _call_external(
    tracer: Tracer, frame: Frame, node: cst.Call, callee: External, args: tuple[Value, ...], kwargs: dict[str, Value]
) -> Value:
    name = callee.dotted.rpartition(".")[2]
    special = known_calls.BUILTINS.get(callee.dotted) or known_calls.BY_NAME.get(name)
    known = special(tracer, frame, node, args, kwargs) if special else None
    if known is not None:
        return known
    made = containers.made_of(name, args)
    if made is not None:
        return made
    if name in FROM_CONFIG:
        return _made_from_config(tracer, callee, args or tuple(kwargs.values()))
    if name[:1].isupper():
        return Instance(callee, args, kwargs)
    return _operation(tracer, frame, node, name, args, kwargs, origin=callee.dotted)


def _made_from_config(tracer: Tracer, callee: External, args: tuple[Value, ...]) -> Instance:
    """`AutoModel.from_config(config)` is the base model; of a part of the configuration, some other model."""
    if tracer.auto_model is not None and not (args and config_path(args[0])):
        return Instance(tracer.auto_model, args[:1])
    return Instance(External(callee.dotted.rpartition(".")[0]), args[:1])


def _operation(
    tracer: Tracer,
    frame: Frame,
    node: cst.Call,
    name: str,
    args: tuple[Value, ...],
    kwargs: Mapping[str, Value],
    *,
    origin: str = "",
) -> Value:
    made = Operation(name, args, kwargs, frame.site(node), origin)
    tracer.operations.append(made)
    return made


def construct(tracer: Tracer, instance: Instance) -> None:
    """Follow `__init__`: what it assigns to `self` becomes the instance's attributes."""
    assert isinstance(instance.cls, ClassSource)
    assert instance.making.attributes is not None
    found = tracer.find_method(instance.cls, "__init__")
    if found is None:
        _inherit_config(instance)
        return
    owner, node = found
    names = bound_names(Function(node, owner.module, owner, instance), instance.args, instance.kwargs)
    _inherit_config(instance)
    if names is not None:
        tracer.run(node, owner.module, owner, instance, names)


def _inherit_config(instance: Instance) -> None:
    """Base classes outside the file keep the configuration under `self.config`."""
    assert instance.making.attributes is not None
    for argument in (*instance.args, *instance.kwargs.values()):
        if isinstance(argument, Config) and is_whole(argument.path):
            instance.making.attributes["config"] = argument
