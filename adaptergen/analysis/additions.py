"""Which sums of a layer add what a sub-layer made to the residual stream?

hidden_states = residual + attn_output                   one branch
hidden_states = attn_output + mlp_output + residual      two branches, one sum

The stream is followed from the layer's output back to its input: through norms and everything else, but at an addition
only along the side that was there before. What a sub-layer adds up for itself, positions for example, is not met.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import libcst as cst
from msgspec import Struct

from adaptergen.analysis.attention import (
    PRODUCTS,
    AttentionCall,
    attention_calls,
    first_input,
    is_nothing,
    unclear_scores,
)
from adaptergen.analysis.blocks import PROJECTING_KERNELS, TracedLayer
from adaptergen.tracing.choices import choice
from adaptergen.tracing.graph import (
    between,
    depends_on,
    derives_from,
    is_linear,
    is_linear_call,
    module_of,
    reached,
    walk,
)
from adaptergen.tracing.values import (
    Attribute,
    Choice,
    External,
    Input,
    Instance,
    Item,
    Operation,
    Sequence,
    Site,
    Sum,
    Value,
    alternatives,
)


# Steps that leave a tensor what it is; a stream that went through them is still the stream.
TRANSPARENT = frozenset(("clone", "contiguous", "to", "float", "type_as", "view", "reshape"))
SCALES = frozenset(("mul", "div"))
CONVOLUTIONS = tuple(f"torch.nn.Conv{kind}" for kind in ("1d", "2d", "3d", "Transpose1d", "Transpose2d"))
VIEWS = TRANSPARENT | {"transpose", "permute", "t", "unsqueeze", "squeeze"}
MULTIPLICATIONS = (*PRODUCTS, "linear", "addmm", "mm", "conv1d", "conv2d", "_grouped_mm", "grouped_mm")


class Term(Struct, frozen=True, eq=False):
    """One side of a sum, or of a sum of sums, as it is written."""

    value: Value
    node: cst.BaseExpression


class Addition(Struct, frozen=True, eq=False):
    """One branch of a sum, and the stream that the branch was made from and is added to."""

    total: Sum
    branch: Value
    stream: Value
    branch_term: Term
    stream_term: Term


def additions(layer: TracedLayer) -> Iterator[Addition]:
    """The residual additions on the way of the stream, in the order in which they happen, one for each branch."""
    found = {id(total): parts for total, parts in _followed_back(layer)}
    for total in layer.tracer.sums:
        yield from found.get(id(total), ())


def unclear_sums(layer: TracedLayer) -> Iterator[Sum]:
    """Sums on the way of the stream, both sides of which come from it, though neither is a branch of the other."""
    stream = first_input(layer)
    for total, parts in _followed_back(layer):
        sides = (total.left, total.right)
        if not parts and all(any(isinstance(v, Input) and v.name == stream for v in walk(side)) for side in sides):
            yield total


@lru_cache(16)  # the layers of one architecture
def _followed_back(layer: TracedLayer) -> tuple[tuple[Sum, tuple[Addition, ...]], ...]:
    """Every sum on the way of the stream, with what it adds to the stream if that can be told."""
    calls = attention_calls(layer)
    attentions = frozenset(id(call.output) for call in calls)
    scores = frozenset(id(value) for call in calls for value in _scores(call))
    seen: set[int] = set()
    first = tuple(_on_the_way(first_output(layer.output), attentions, attentions, seen))
    known = {id(total) for total, _ in first}
    shared = {path for _, parts in first for path in _maps(parts)}
    others = []
    for total, parts in _on_the_way(layer.output, attentions | scores, frozenset(), seen):
        is_second = parts and not any(id(value) in known for value in walk(parts[0].stream))
        if is_second and not shared & _maps(parts):
            others.append((total, parts))  # a stream of its own, not read off the first, nor going its way again
    return (*first, *others)


def _scores(call: AttentionCall) -> Iterator[Value]:
    """What becomes of a product of queries and keys before its softmax: a layer may return it, too."""
    if call.softmax is not None and call.product is not None:
        yield from between(call.softmax.first, call.product).values()


def _maps(parts: tuple[Addition, ...]) -> set[str]:
    """Paths of the linear maps that branches end with."""
    ends = (end for part in parts for end in reached(part.branch, is_linear_call, stop=part.stream))
    return {module.path for end in ends if (module := module_of(end)) is not None}


def _on_the_way(
    output: Value, stops: frozenset[int], attentions: frozenset[int], seen: set[int]
) -> Iterator[tuple[Sum, tuple[Addition, ...]]]:
    queue = [output]
    for current in queue:
        if id(current) in seen or id(current) in stops or _is_weights_of_attention(current):
            continue
        seen.add(id(current))
        parts: tuple[Addition, ...] = ()
        if isinstance(current, Sum) and not _is_of_lists(current):
            parts = _divided(current) or _around_attention(current, attentions)
            parts = () if any(_adds_stream(part, attentions) for part in parts) else parts
            yield current, parts
        queue.extend([parts[0].stream] if parts else current.parts())


def first_output(output: Value) -> Value:
    """The hidden states among what a layer returns."""
    match output:
        case Sequence(items=[first, *_]):
            return first_output(first)
        case Sum(left=Sequence() as left):
            return first_output(left)
        case Choice(options=options):
            return choice([first_output(option) for option in options])
    return output


def _is_weights_of_attention(value: Value) -> bool:
    """They leave a layer next to the hidden states, and lead to queries and keys."""
    return isinstance(value, Operation) and value.name == "softmax"


def _is_of_lists(total: Sum) -> bool:
    """`outputs = (hidden_states,) + outputs[2:]`"""
    return any(isinstance(side, Sequence) for side in (total.left, total.right))


def _divided(total: Sum) -> tuple[Addition, ...]:
    """A sum as the stream and its branches, if it is one of these."""
    terms = _terms(total)
    return _with_stream(total, terms) or (_with_stream(total, _sides(total)) if len(terms) > 2 else ())


def _with_stream(total: Sum, terms: list[Term]) -> tuple[Addition, ...]:
    for stream in reversed(terms):
        branches = [term for term in terms if term is not stream]
        for origin in _origins(stream.value):
            if all(_is_branch(branch.value, origin) for branch in branches):
                return tuple(Addition(total, branch.value, origin, branch, stream) for branch in branches)
    return ()


def _adds_stream(addition: Addition, attentions: frozenset[int]) -> bool:
    """Is the branch the stream itself, behind the addition of an attention: `(x + attention(x)) * share + x`?"""
    for value in between(addition.branch, addition.stream).values():
        for inner in _divided(value) if isinstance(value, Sum) else ():
            attends = bool(attentions & between(inner.branch, inner.stream).keys())
            if attends and _is_still(inner.stream, addition.stream):
                return True
    return False


def _around_attention(total: Sum, attentions: frozenset[int]) -> tuple[Addition, ...]:
    """
    An attention's output and what goes around it, which need not be what goes into it: pooled, projected, or together
    with other states.
    """
    sides = _sides(total)
    attending = [term for term in sides if _attends(term, sides, attentions)]
    if len(sides) != 2 or len(attending) != 1:
        return ()
    branch = attending[0]
    stream = next(term for term in sides if term is not branch)
    if _nearest_maps(branch) & _nearest_maps(stream):
        return ()  # heads still, to which something made of their own values or queries is added
    is_made = any(isinstance(value, Input) for value in walk(stream.value))
    return (Addition(total, branch.value, stream.value, branch, stream),) if is_made else ()


def _nearest_maps(term: Term) -> set[int]:
    return {id(call) for call in reached(term.value, is_linear_call)}


def _attends(term: Term, sides: list[Term], attentions: frozenset[int]) -> bool:
    other = next(side for side in sides if side is not term)
    inside = between(term.value, other.value)
    return bool(attentions & inside.keys()) or bool(unclear_scores(inside))


def _is_branch(branch: Value, stream: Value) -> bool:
    return branch is not stream and _comes_from(branch, stream) and transforms(branch, stream)


def _is_still(value: Value, stream: Value) -> bool:
    return value is stream or (_comes_from(value, stream) and not transforms(value, stream))


def _comes_from(branch: Value, stream: Value) -> bool:
    """A stream that is one of several values is that also where the choice is made anew, as for given queries."""
    options = [option for option in alternatives(stream) if not is_nothing(option)]
    return depends_on(branch, stream) or all(depends_on(branch, option) for option in options)


def _origins(stream: Value) -> Iterator[Value]:
    """The stream before it was reshaped, converted, scaled or shifted for the sum."""
    yield stream
    match stream:
        case Operation(name=name, args=(inner, *_)) if name in TRANSPARENT:
            yield from _origins(inner)
        case Operation(name=name, args=factors) if name in SCALES:
            for factor in factors:
                yield from _origins(factor)
        case Sum(left=inner, right=shift) if _is_weight(shift):
            yield from _origins(inner)


def transforms(branch: Value, stream: Value) -> bool:
    """Does the branch take the stream through at least one linear map with weights of its own?"""
    return bool(reached(branch, is_weighted, stop=stream))


def is_weighted(value: Value) -> bool:
    """A linear map or a convolution, as a module or with weights that the module reads."""
    if is_linear_call(value):
        return True
    module = module_of(value)
    if module is not None:
        return _has_weights(module)
    if not isinstance(value, Operation):
        return False
    multiplies = value.name in MULTIPLICATIONS and any(map(_is_weight, value.args))
    return multiplies or value.name in PROJECTING_KERNELS


def _has_weights(module: Instance) -> bool:
    """A convolution, or a chain of modules with a linear map or a convolution in it."""
    if derives_from(module, ("torch.nn.Sequential",)):
        parts = (part for part in module.args if isinstance(part, Instance))
        return any(is_linear(part) or _has_weights(part) for part in parts)
    return derives_from(module, CONVOLUTIONS)


def _is_weight(value: Value) -> bool:
    """A parameter of the module, or what was read of one, such as the weights of one expert."""
    match value:
        case Instance(cls=External(dotted=dotted)):
            return dotted.endswith("nn.Parameter")
        case Attribute(name=name, value=None, owner=Instance() as owner):
            held = (owner.making.attributes or {}).get(name)
            return name == "weight" or (held is not None and _is_weight(held))
        case Attribute(value=Value() as inner) | Item(value=inner):
            return _is_weight(inner)
        case Operation(name=name, args=(inner, *_)) if name in VIEWS:
            return _is_weight(inner)
    return False


def expression(site: Site) -> cst.CSTNode:
    """The expression `a + b`, or the whole statement `a += b`."""
    statement = site.statement
    if isinstance(statement, cst.SimpleStatementLine) and isinstance(statement.body[0], cst.AugAssign):
        return statement.body[0]
    return site.expression


def _terms(total: Sum) -> list[Term]:
    """`a + b + c` as three, unless it has names for parts of it."""
    terms = []
    for side in _sides(total):
        is_written_here = isinstance(side.value, Sum) and side.value.at.expression is side.node
        terms += _terms(side.value) if is_written_here and isinstance(side.value, Sum) else [side]
    return terms


def _sides(total: Sum) -> list[Term]:
    match expression(total.at):
        case cst.BinaryOperation(left=left, right=right):
            return [Term(total.left, left), Term(total.right, right)]
        case cst.AugAssign(target=cst.BaseExpression() as target, value=value):
            return [Term(total.left, target), Term(total.right, value)]
    return []


def operand_text(total: Sum, operand: Value) -> str:
    """One side of a sum, as written."""
    return next((total.at.module.code(side.node) for side in _sides(total) if side.value is operand), "")
