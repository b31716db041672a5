"""Are scores used so that a prefix before the keys would be in the way?

torch.einsum("bqhd,bkhd->bhqk", query, key)                  keys have their length in front of their heads
torch.cat([words, entities], dim=2) if … else query @ key     scores are made in two ways, of which a prefix joins one
scores * self.bias[:, :, : scores.size(-2), : scores.size(-1)]     a buffer for tokens is cut by a size with the prefix
"""

from __future__ import annotations

from collections.abc import Iterator

from adaptergen.analysis.attention import PRODUCTS, AttentionCall, through_elementwise
from adaptergen.tracing.graph import depends_on, walk
from adaptergen.tracing.values import Attribute, Choice, Constant, Item, Operation, Value


def obstacles(call: AttentionCall) -> Iterator[str]:
    """Why keys with a prefix cannot go through this computation as it is written."""
    if call.is_two_way:
        yield "the scores serve two attentions: the queries of one are the keys of the other"
    if len({(id(filling.mask), filling.hides) for filling in call.fillings}) > 1:
        yield "scores are filled where a condition holds that is not understood"
    if call.product and _has_length_first(call.product):
        yield "keys have their length in front of their heads where the scores are computed"
    if any(_is_made_otherwise(step, call.product) for step in _steps(call) if call.product):
        yield "in some cases the scores are joined from several products, which a prefix does not reach"
    if any(_is_cut_by_scores(value, call) for value in _operands(call)):
        yield "a buffer is cut by the size of the scores, which counts the prefix"


def _has_length_first(product: Operation) -> bool:
    """Is the axis of the keys that is the last of the scores not the last but one?"""
    match product:
        case Operation(name="einsum", args=(Constant(value=str(formula)), *_)):
            factors, _, scores = formula.replace(" ", "").partition("->")
            keys = factors.partition(",")[2]
            return bool(scores) and scores[-1] in keys and keys.index(scores[-1]) not in (len(keys) - 2, len(keys) - 1)
    return False


def _is_made_otherwise(step: Value, product: Operation) -> bool:
    """Is it the scores, or what other products make instead?"""
    if not isinstance(step, Choice) or not depends_on(step, product):
        return False
    others = (option for option in step.options if not depends_on(option, product))
    return any(isinstance(made, Operation) and made.name in PRODUCTS for other in others for made in walk(other))


def _operands(call: AttentionCall) -> Iterator[Value]:
    """What meets the scores on their way to the softmax."""
    for step in _steps(call):
        if call.product and depends_on(step, call.product):
            yield from (part for part in step.parts() if not depends_on(part, call.product))


def _steps(call: AttentionCall) -> Iterator[Value]:
    """The scores on their way to the softmax, and what meets them there."""
    if call.softmax and call.product:
        yield from through_elementwise(call.softmax.first)


def _is_cut_by_scores(operand: Value, call: AttentionCall) -> bool:
    cuts = (end for value in walk(operand) if isinstance(value, Item) for end in value.bounds if end is not None)
    return any(call.product is not None and depends_on(owner, call.product) for end in cuts for owner in _sized(end))


def _sized(size: Value) -> Iterator[Value]:
    """What a size is measured on."""
    match size:
        case Operation(name="size", args=(owner, *_)) | Attribute(owner=owner, name="shape"):
            yield owner
        case Item(value=inner):
            yield from _sized(inner)
