"""What are queries, keys, values and mask called where the scores are computed?"""

from __future__ import annotations

import libcst as cst

from adaptergen.analysis.attention import INTERFACE, AttentionCall, is_nothing, score_sums
from adaptergen.analysis.handed_on import is_handed_on
from adaptergen.tracing.graph import depends_on, walk
from adaptergen.tracing.values import Attribute, Config, Constant, Instance, Item, Operation, Site, Value


Names = tuple[str, str, str, str | None]  # of queries, keys, values and mask


class Unclear(Exception):
    """The scores cannot be located; the message says why."""


def outermost_site(call: AttentionCall) -> Site:
    """The call that leads to the scores, in the outermost method of the same module."""
    site = call.product.at if call.product else call.output.at
    while site.caller is not None and site.caller.instance is site.instance:
        site = site.caller
    return site


def names_of(call: AttentionCall, site: Site) -> Names:
    """
    The names of queries, keys, values and mask at the call that leads to the scores.

    Raises:
        Unclear: one of them has none.
    """
    arguments = _named_arguments(site)
    key = _holding(call.key, arguments, call.query)
    value = _holding(call.value, {n: v for n, v in arguments.items() if n != key}, call.query)
    query = _holding(call.query, arguments, call.key)
    if not (query and key and value):
        missing = "queries" if not query else "keys" if not key else "values"
        raise Unclear(f"no name holds the {missing} where the scores are computed")
    others = {n: v for n, v in arguments.items() if n not in (query, key, value) and not _is_size(v)}
    if call.form == "by_hand" and not call.fillings:
        return query, key, value, _named_mask(call, others)
    if is_nothing(call.mask):
        given = mask_given(call, site)
        return query, key, value, given.value if isinstance(given, cst.Name) and given.value in arguments else None
    assert call.mask is not None
    mask = _holding(call.mask, others)
    if mask is None:
        raise Unclear("the attention mask is an expression, not a name")
    return query, key, value, mask


def mask_given(call: AttentionCall, site: Site) -> cst.BaseExpression | None:
    """What is written as the mask, where the module itself calls one of transformers' attention functions."""
    if call.form != "interface" or site is not call.output.at or not isinstance(site.expression, cst.Call):
        return None
    given = site.expression.args
    positional = [argument.value for argument in given if argument.keyword is None and not argument.star]
    named = {argument.keyword.value: argument.value for argument in given if argument.keyword}
    return (dict(zip(INTERFACE, positional, strict=False)) | named).get(INTERFACE[-1])


def _named_mask(call: AttentionCall, names: dict[str, Value]) -> str | None:
    """
    The name from which something is made that is added to the scores and has nothing to do with states. What is used
    again is no mask: a prefix in front of it would be there, too.
    """
    assert call.softmax is not None
    assert call.product is not None
    added = (
        term
        for total, term in score_sums(call.softmax, call.product)
        if not depends_on(term, call.query) and not is_handed_on(total, term)
    )
    return next((name for term in added if (name := _holding(term, names))), None)


def _is_size(value: Value) -> bool:
    match value:
        case Item(value=Attribute(name="shape") | Operation(name="size")) | Operation(name="size"):
            return True
        case Constant() | Config() | Instance():
            return True
    return False


def _named_arguments(site: Site) -> dict[str, Value]:
    """The names that the call passes on, with their values; all names in reach when nothing is called."""
    if not isinstance(site.expression, cst.Call) or is_product(site.expression):
        return dict(site.names)
    passed = [argument.value.value for argument in site.expression.args if isinstance(argument.value, cst.Name)]
    return {name: site.names[name] for name in passed if name in site.names}


def is_product(node: cst.Call) -> bool:
    return isinstance(node.func, cst.Attribute) and node.func.attr.value in ("matmul", "bmm", "einsum", "baddbmm")


def _holding(wanted: Value, names: dict[str, Value], unlike: Value | None = None) -> str | None:
    """The name whose value the wanted one is, or is made from in the fewest steps, and the other one is not."""
    held: dict[int, str] = {}
    for name, value in names.items():
        held.setdefault(id(value), name)
    for part in walk(wanted):
        if id(part) in held and (part is wanted or unlike is None or not depends_on(unlike, part)):
            return held[id(part)]
    return None
