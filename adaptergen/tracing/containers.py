"""What do lists and chains of modules hold, and what does a call of a chain do?

nn.ModuleList([Layer(config) for _ in range(n)])     one element, repeated
nn.Sequential(nn.Linear(8, 8), nn.GELU())            called: each takes what the one before it gave
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from adaptergen.source import dotted_name
from adaptergen.tracing import calls, expressions
from adaptergen.tracing.binding import elements
from adaptergen.tracing.choices import choice
from adaptergen.tracing.values import Instance, Sequence, Value, alternatives


if TYPE_CHECKING:
    from adaptergen.tracing.tracer import Frame, Tracer


def is_list(value: Value) -> bool:
    return all(isinstance(option, Sequence) for option in alternatives(value))


def made_of(name: str, args: tuple[Value, ...]) -> Value | None:
    """The list that `ModuleList(elements)` or `Sequential(first, second)` makes; None for anything else."""
    if name not in ("ModuleList", "Sequential"):
        return None
    if not args:
        return Sequence((), is_modules=True)
    if is_list(args[0]):
        lists = (option for option in alternatives(args[0]) if isinstance(option, Sequence))
        return choice([Sequence(each.items, each.repeated, True) for each in lists])
    modules = [option for argument in args for option in alternatives(argument)]
    named = any(isinstance(each, Instance) and each.class_name.endswith("OrderedDict") for each in modules)
    return Sequence(args, is_modules=True) if name == "Sequential" and not named else None


def chained_list(tracer: Tracer, frame: Frame, node: cst.Call) -> Value | None:
    """`Sequential(*layers)` holds what the list holds; None for any other call."""
    if dotted_name(node.func).rpartition(".")[2] != "Sequential" or [each.star for each in node.args] != ["*"]:
        return None
    listed = expressions.evaluate(tracer, frame, node.args[0].value)
    return made_of("Sequential", (listed,)) if is_list(listed) else None


def run_chain(tracer: Tracer, frame: Frame, node: cst.Call, chain: Sequence, given: Value) -> Value:
    """Each module of a chain takes what the one before it gave; a module that a loop made is called once."""
    for module in elements(chain):
        given = calls.call(tracer, module, (given,), {}, frame, node)
    return given
