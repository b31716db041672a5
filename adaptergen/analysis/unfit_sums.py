"""Which additions of a layer give something that cannot go through an adapter?

hidden_states[mask] += output                                  some positions alone
if residual is not None: hidden_states = residual + output     only in some layers
residual + self.mlp(hidden_states.transpose(1, 2)).transpose(1, 2)     channels that are no longer the last axis
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import libcst as cst

from adaptergen.analysis.additions import CONVOLUTIONS, SCALES, Addition, additions, first_output, is_weighted
from adaptergen.analysis.attention import is_nothing
from adaptergen.analysis.blocks import TracedLayer
from adaptergen.analysis.turning import exchanged, order_of
from adaptergen.facts import UnfitSum
from adaptergen.tracing.graph import derives_from, is_linear_call, module_of
from adaptergen.tracing.values import Call, Choice, Constant, Instance, Item, Operation, Sequence, Sum, Value


TURNED = "adds what was turned or flattened behind its last map"


def find_unfit_sums(layer: TracedLayer) -> Iterator[UnfitSum]:
    for addition in additions(layer):
        at = addition.total.at.module.at(addition.total.at.statement)
        if isinstance(addition.stream, Choice) and any(map(is_nothing, addition.stream.options)):
            yield UnfitSum(at, "is made only where there is a residual")
        if _is_turned(addition):
            yield UnfitSum(at, TURNED)
    yield from _additions_to_parts(layer)


def leaves_turned(layer: TracedLayer, unfit: Iterable[UnfitSum]) -> bool:
    """Are the channels of the states that leave a layer another axis than the last, as its sums or its end show?"""
    steps = _steps_back(first_output(layer.output))
    return any(found.why == TURNED for found in unfit) or any(map(_moves_channels, steps))


def comes_from_convolution(addition: Addition) -> bool:
    """Does it add what a convolution gives as it is, with the channels in front: positions rather than a sub-layer?"""
    steps = list(_steps_back(addition.branch))
    modules = [module_of(step) for step in steps if is_weighted(step)]
    is_turned = any(map(_moves_channels, steps))
    return bool(modules) and not is_turned and all(map(_is_convolution, modules))


def _is_convolution(module: Instance | None) -> bool:
    return module is not None and derives_from(module, CONVOLUTIONS)


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
    steps = list(_steps_back(addition.branch))
    maps = [step for step in steps if is_weighted(step)]
    return bool(maps) and all(map(is_linear_call, maps)) and any(map(_moves_channels, steps))


def _steps_back(value: Value) -> Iterator[Value]:
    """What a tensor went through, from the last step back to the last maps or sums."""
    seen: set[int] = set()
    queue = [value]
    for current in queue:
        if id(current) in seen or isinstance(current, Sum):
            continue
        seen.add(id(current))
        yield current
        if not is_weighted(current):
            queue.extend(_made_from(current))


def _made_from(value: Value) -> tuple[Value, ...]:
    """The tensors that this one is another form of."""
    match value:
        case Choice(options=options):
            return options
        case Item(value=Sequence(items=items), index=int(index)) if -len(items) <= index < len(items):
            return (items[index],)
        case Operation(name=name, args=args) if name in SCALES:
            return args
        case Call(result=Value()) | Item(value=Call(result=Value())):
            return value.parts()
        case Operation(args=(first, *_)) | Call(args=(first, *_)) | Item(value=first):
            return (first,)
    return ()


def _moves_channels(value: Value) -> bool:
    match value:
        case Operation(name="flatten", args=(_, Constant(value=-2), *_)):
            return True
        case Operation(args=(of, *_)) if axes := exchanged(value):
            count = _number_of_axes(of) or max(*axes, 2) + 1
            return -1 in axes or max(axes) == count - 1
    order = order_of(value)
    return bool(order) and order[-1] not in (None, -1, len(order) - 1)


def _number_of_axes(value: Value) -> int:
    """As many as a view has just been given sizes for; 0 where that is not known."""
    match value:
        case Operation(name=name, args=(_, Sequence(items=sizes))) | Operation(name=name, args=(_, *sizes)):
            return len(sizes) if name in ("view", "reshape") else 0
    return 0
