"""Which additions of a layer give something that cannot go through an adapter?

hidden_states[mask] += output                                  some positions alone
if residual is not None: hidden_states = residual + output     only in some layers
residual + self.mlp(hidden_states.transpose(1, 2)).transpose(1, 2)     channels that are no longer the last axis
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from adaptergen.analysis.additions import CONVOLUTIONS, Addition, additions, first_output, is_weighted
from adaptergen.analysis.attention import is_nothing
from adaptergen.analysis.blocks import TracedLayer
from adaptergen.facts import UnfitSum
from adaptergen.tracing.graph import derives_from, is_linear_call, module_of, reached
from adaptergen.tracing.values import Choice, Constant, Operation, Sequence, Sum, Value


def find_unfit_sums(layer: TracedLayer) -> Iterator[UnfitSum]:
    for addition in additions(layer):
        at = addition.total.at.module.at(addition.total.at.statement)
        if isinstance(addition.stream, Choice) and any(map(is_nothing, addition.stream.options)):
            yield UnfitSum(at, "is made only where there is a residual")
        if _is_turned(addition):
            yield UnfitSum(at, "adds what was turned or flattened behind its last map")
    yield from _additions_to_parts(layer)


def leaves_turned(layer: TracedLayer) -> bool:
    """Are the channels of the states that leave a layer another axis than the last?"""
    if any(map(_is_turned, additions(layer))):
        return True
    last = reached(first_output(layer.output), lambda v: isinstance(v, Sum) or _moves_channels(v))
    return any(map(_moves_channels, last))


def comes_from_convolution(addition: Addition) -> bool:
    """Does it add what a convolution gives as it is, with the channels in front: positions rather than a sub-layer?"""
    steps = reached(addition.branch, lambda v: is_weighted(v) or _moves_channels(v), stop=addition.stream)
    modules = [module_of(step) for step in steps]
    return bool(modules) and all(module is not None and derives_from(module, CONVOLUTIONS) for module in modules)


def _additions_to_parts(layer: TracedLayer) -> Iterator[UnfitSum]:
    found = layer.tracer.find_method(layer.cls, "forward")
    module = layer.cls.module if found is None else found[0].module
    for statement in module.statements(found[1]) if found else ():
        if isinstance(statement, cst.SimpleStatementLine) and any(map(_adds_to_part, statement.body)):
            yield UnfitSum(module.at(statement), "is made to some positions alone")


def _adds_to_part(small: cst.BaseSmallStatement) -> bool:
    match small:
        case cst.AugAssign(target=cst.Subscript(), operator=cst.AddAssign()):
            return True
    return False


def _is_turned(addition: Addition) -> bool:
    """Are the channels that the last linear map gives no longer the last axis, or not they alone?"""
    steps = reached(addition.branch, lambda v: is_weighted(v) or _moves_channels(v), stop=addition.stream)
    return any(
        isinstance(step, Operation) and _moves_channels(step) and _is_of_linear(step, addition) for step in steps
    )


def _is_of_linear(step: Operation, addition: Addition) -> bool:
    maps = reached(step.args[0], is_weighted, stop=addition.stream)
    return bool(maps) and all(map(is_linear_call, maps))


def _moves_channels(value: Value) -> bool:
    match value:
        case Operation(name="transpose" | "swapaxes", args=(_, Constant(value=int(one)), Constant(value=int(other)))):
            return -1 in (one, other) or max(one, other) > 1
        case Operation(name="permute", args=(_, Sequence(items=order))) | Operation(name="permute", args=(_, *order)):
            return bool(order) and not _is_last(order[-1], len(order))
        case Operation(name="flatten", args=(_, Constant(value=-2), *_)):
            return True
    return False


def _is_last(axis: Value, count: int) -> bool:
    return not isinstance(axis, Constant) or axis.value in (-1, count - 1)
