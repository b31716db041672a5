"""Where does a layer compute attention, over what, and is it self- or cross-attention?

Either one of transformers' attention functions is called with (module, query, key, value, mask); or the code
does it by hand: a product of queries and keys, a softmax, a product with the values; or a kernel does it all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from adaptergen.analysis.blocks import KERNELS, TracedLayer, is_interface_call
from adaptergen.analysis.filling import Filling, fillings
from adaptergen.analysis.states import projected
from adaptergen.facts import AttentionKind
from adaptergen.tracing.graph import between, depends_on, is_dropout, is_input, is_linear_call, module_of, reached
from adaptergen.tracing.values import Call, Constant, Input, Instance, Operation, Sum, Value


PRODUCTS = ("matmul", "bmm", "einsum", "baddbmm")

INTERFACE = ("module", "query", "key", "value", "attention_mask")  # parameters of an attention function

# What may stand between a product and a softmax, or a softmax and a product, without making it something else.
ELEMENTWISE = frozenset(
    (
        *("to", "type", "float", "type_as", "view", "reshape", "contiguous"),
        *("mul", "div", "sub", "tanh", "clamp", "max"),
        *("where", "masked_fill", "masked_fill_", "softmax", "dropout"),
    )
)

# Kernels that are given keys and values as they are, with a mask that is added to the scores or says which stay.
OPEN_KERNELS = ("scaled_dot_product_attention",)

# What takes the shape of its second argument.
LIKE_ANOTHER = ("reshape_as", "view_as", "expand_as")


class AttentionCall(Struct, frozen=True, eq=False):
    """One computation of attention that was followed, for one module."""

    form: Literal["interface", "by_hand", "kernel"]
    output: Call | Operation  # the call of the attention function or kernel, or the product with the values
    module: Instance
    query: Value
    key: Value
    value: Value
    mask: Value | None  # that an attention function or kernel takes, or that says which scores are filled
    kind: AttentionKind
    product: Operation | None = None  # queries times keys, when done by hand
    softmax: Operation | None = None
    fillings: tuple[Filling, ...] = ()  # of scores, where what is given to the layer says so
    is_two_way: bool = False  # the scores are transposed, too: keys are queries of another attention


def attention_calls(layer: TracedLayer) -> list[AttentionCall]:
    """Every computation of attention in the layer, in the order in which it happens."""
    stream = first_input(layer)
    found = [*_interface_calls(layer, stream), *_by_hand(layer, stream), *_kernels(layer, stream)]
    made = [*layer.tracer.operations, *layer.tracer.calls]
    order = {id(value): index for index, value in enumerate(made)}
    return sorted(found, key=lambda call: order[id(call.output)])


def is_unclear_attention(branch: Value, stream: Value, calls: Sequence[AttentionCall]) -> bool:
    """Does the branch compute attention, but not in a way that was followed?"""
    inside = between(branch, stream)
    return bool(unclear_scores(inside)) and not any(id(call.output) in inside for call in calls)


def unclear_scores(inside: Mapping[int, Value]) -> list[Operation]:
    """Softmaxes over what two projections, or two parts of one, make together. Routers of experts have one."""
    softmaxes = (v for v in inside.values() if isinstance(v, Operation) and v.name == "softmax")
    return [softmax for softmax in softmaxes if _is_of_two(softmax.first, inside)]


def _is_of_two(scores: Value, inside: Mapping[int, Value]) -> bool:
    if len(_projections(scores, inside)) > 1:
        return True
    products = (p for p in reached(scores, lambda v: isinstance(v, Operation) and v.name in PRODUCTS))
    return any(sum(bool(_projections(factor, inside)) for factor in p.parts()) > 1 for p in products)


def _projections(state: Value, inside: Mapping[int, Value]) -> set[tuple[int, int | None]]:
    return {(id(part.call), part.index) for part in projected(state) if id(part.call) in inside}


def unclear_kind(softmax: Operation, stream: str) -> AttentionKind:
    """Whether not only the queries that are scored come from the layer's own input."""
    parts = {(id(part.call), part.index): part.call for part in projected(softmax.first) if part.call.args}
    inputs = ([v for v in reached(call.first, is_input) if isinstance(v, Input)] for call in parts.values())
    own = [any(v.name == stream for v in found) for found in inputs if found]
    return "self" if all(own) or own.count(True) > 1 else "cross"


def first_input(layer: TracedLayer) -> str:
    """The parameter that brings the hidden states into a layer, "" where it takes nothing in order."""
    found = layer.tracer.find_method(layer.cls, "forward")
    taken = (*found[1].params.posonly_params, *found[1].params.params) if found else ()
    return next((p.name.value for p in taken if p.name.value != "self"), "")


def _interface_calls(layer: TracedLayer, stream: str) -> Iterator[AttentionCall]:
    for call in layer.tracer.calls:
        if not is_interface_call(call) or call.at.instance is None:
            continue
        given = dict(zip(INTERFACE, call.args, strict=False)) | dict(call.kwargs)
        if {"query", "key", "value"} <= given.keys():
            query, key, value = (given[name] for name in INTERFACE[1:4])
            mask = given.get(INTERFACE[4])
            yield AttentionCall("interface", call, call.at.instance, query, key, value, mask, kind_of(key, stream))


def _kernels(layer: TracedLayer, stream: str) -> Iterator[AttentionCall]:
    for operation in layer.tracer.operations:
        if operation.name in KERNELS and len(operation.args) >= 3 and operation.at.instance is not None:
            query, key, value = operation.args[:3]
            mask = operation.args[3] if len(operation.args) > 3 else operation.kwargs.get("attn_mask")
            kind = kind_of(key, stream)
            yield AttentionCall("kernel", operation, operation.at.instance, query, key, value, mask, kind)


def _by_hand(layer: TracedLayer, stream: str) -> Iterator[AttentionCall]:
    for operation in layer.tracer.operations:
        softmax = _softmax_below(operation)
        product = _product_below(softmax) if softmax else None
        if softmax is None or product is None or operation.at.instance is None:
            continue
        query, key = _factors(product)
        value, kind, module = _factors(operation)[1], kind_of(key, stream), operation.at.instance
        steps = [step for step in through_elementwise(softmax.first) if depends_on(step, product)]
        filled = tuple(fillings(steps))
        mask = filled[0].mask if filled else None
        found = AttentionCall("by_hand", operation, module, query, key, value, mask, kind, product, softmax, filled)
        two_way = any(_swaps_scores(other, product) for other in layer.tracer.operations)
        yield replace(found, is_two_way=two_way)


def _swaps_scores(operation: Operation, product: Operation) -> bool:
    """Is it the transpose of a product of queries and keys?"""
    match operation:
        case Operation(name="transpose" | "swapaxes", args=(scores, Constant(value=int(a)), Constant(value=int(b)))):
            is_swap = sorted((a, b)) in ([-2, -1], [1, 2], [2, 3])
            steps = through_elementwise(scores, lambda value: not isinstance(value, Call) or is_dropout_call(value))
            return is_swap and any(value is product for value in steps)
    return False


def _softmax_below(operation: Operation) -> Operation | None:
    """The softmax whose result this product weighs the values with."""
    if operation.name not in PRODUCTS or len(_factors(operation)) != 2:
        return None
    for value in through_elementwise(_factors(operation)[0]):
        if isinstance(value, Operation) and value.name == "softmax":
            return value
    return None


def _product_below(softmax: Operation) -> Operation | None:
    """The product of queries and keys that the softmax normalises."""
    for value in through_elementwise(softmax.first):
        if isinstance(value, Operation) and value.name in PRODUCTS and len(_factors(value)) == 2:
            return value
    return None


def _factors(product: Operation) -> tuple[Value, ...]:
    """The two tensors that are multiplied: after the sum that `baddbmm` takes, or the formula of `einsum`."""
    if product.name == "baddbmm" and {"batch1", "batch2"} <= product.kwargs.keys():
        return product.kwargs["batch1"], product.kwargs["batch2"]
    return product.args[1:3] if product.name in ("baddbmm", "einsum") else product.args[:2]


def through_elementwise(value: Value, passes: Callable[[Value], bool] = lambda value: True) -> Iterator[Value]:
    """The value and what it is made from by steps that keep its shape, nearest first; `passes` rules out others."""
    queue = [value]
    seen: set[int] = set()
    for current in queue:
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if passes(current) and (not isinstance(current, Operation) or current.name in ELEMENTWISE):
            queue.extend(current.parts())


def is_dropout_call(value: Value) -> bool:
    module = module_of(value)
    return module is not None and is_dropout(module)


def score_sums(softmax: Operation, product: Operation) -> Iterator[tuple[Sum, Value]]:
    """The sums that the scores go through before the softmax, the last first, each with what it adds to them."""
    for value in through_elementwise(softmax.first):
        if isinstance(value, Sum):
            for side, other in ((value.left, value.right), (value.right, value.left)):
                if depends_on(other, product) and not depends_on(_content(side), product):
                    yield value, side


def _content(value: Value) -> Value:
    """Without what only its shape is taken from."""
    while isinstance(value, Operation) and value.name in LIKE_ANOTHER:
        value = value.first
    return value


def kind_of(key: Value, stream: str) -> AttentionKind:
    """Self-attention projects its keys from the layer's own input, cross-attention from something else."""
    sources = [call.first for call in reached(key, is_linear_call) if isinstance(call, Call) and call.args]
    own = [any(_is_input(value, stream) for value in reached(source, is_input)) for source in sources]
    return "self" if not own or any(own) else "cross"


def _is_input(value: Value, name: str) -> bool:
    return isinstance(value, Input) and value.name == name


def is_nothing(value: Value | None) -> bool:
    return value is None or (isinstance(value, Constant) and value.value is None)
