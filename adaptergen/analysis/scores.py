"""Where are keys and values complete, just before the scores are computed, and what are they called there?

key, value = layer_past.update(key, value, self.layer_id)
                                                          ← here: (batch, heads, length, head width)
attn_output, attn_weights = self._attn(query, key, value, attention_mask)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from adaptergen.analysis.attention import AttentionCall
from adaptergen.analysis.filling import Filling
from adaptergen.analysis.foreign_scores import obstacles
from adaptergen.analysis.hidden import find_hidden
from adaptergen.analysis.hiding import find_hiding
from adaptergen.analysis.inline_scores import find_terms
from adaptergen.analysis.lengths import find_lengths
from adaptergen.analysis.measured import measured_names
from adaptergen.analysis.score_names import Names, Unclear, mask_given, names_of, outermost_site
from adaptergen.analysis.score_places import is_written_out, place_of_prefix
from adaptergen.analysis.score_views import ScoreView, find_likenesses, find_views
from adaptergen.analysis.shapes import Shapes
from adaptergen.analysis.statements import address, method_node, statements_from
from adaptergen.analysis.turning import exchanged, order_of
from adaptergen.analysis.widths import has_flat_heads, has_heads_behind, has_length_last
from adaptergen.facts import Scores, ScoreTerm
from adaptergen.nodes import is_alone
from adaptergen.source import Statement
from adaptergen.tracing.graph import walk
from adaptergen.tracing.values import Operation, Site, Value


def find_scores(calls: Sequence[AttentionCall]) -> Scores:
    """The place before all of a module's computations of attention, and the names that hold their inputs.

    Raises:
        Unclear: a name is missing, used again later, or two computations disagree.
    """
    sites = [outermost_site(call) for call in calls]
    for shared in (at for at in sites if not is_alone(at.statement)):
        line = shared.module.header(shared.statement).partition("\n")[0]
        raise Unclear(f"scores are computed on one line with something else, in `{line}`")
    named = [(names_of(call, site), site, call) for call, site in zip(calls, sites, strict=True)]
    names, site, call = next((found for found in reversed(named) if found[0][3]), named[-1])
    if any(not _is_same(other, names, at, site) for other, at, _ in named):
        raise Unclear("two computations of attention in one method use different names")
    query, key, value, mask = names
    for obstacle in (found for each in calls for found in obstacles(each)):
        raise Unclear(obstacle)
    _forbid_closed_kernels(calls, key, mask)
    if has_heads_behind(site.names[key], call.module):
        raise Unclear("keys have their length in front of their heads where the scores are computed")
    views = [view for call in calls for view in _views(call, site, key)]
    is_by_window = any(view.has_windows for view in views)
    if is_by_window and mask not in _parameters(site):
        raise Unclear("scores are viewed in a shape that does not count the prefix")
    tells_rows = call.form != "by_hand" or (mask is not None and not is_by_window)
    softmaxes = () if tells_rows else [find_hiding(call, site, site.names[key]) for call in calls]
    terms = [term for call in calls for term in _terms(call, site, mask)]
    before, keys_go_on = place_of_prefix(site, sites, calls, names, terms)
    filling = _filling(call, site.names.get(mask or ""))
    turned = _are_turned(call, site.names[query], site.names[key])
    if turned and softmaxes:
        raise Unclear(f"no mask is added to the scores, and the length of {key} is the last of its sizes")
    if turned and is_written_out(site) and measured_names(statements_from(site, before), {key}):
        raise Unclear(f"the sizes of {key}, whose length is the last of them, are read")
    bias = tuple(_bias(site, before)) if call.form == "interface" else ()
    mask_is_none = call.form == "interface" and mask is None
    if mask_is_none and (bias or keys_go_on or before is not site.statement or not _is_none(mask_given(call, site))):
        raise Unclear("the attention function is given no mask where keys and values are complete")
    hidden = find_hidden(call, site)
    if hidden is None:
        raise Unclear("no name holds the input of the query projection")
    return Scores(
        site=address(site.module, site.cls, site.method, before),
        query=query,
        key=key,
        value=value,
        mask=None if is_by_window else mask,
        hidden=hidden.name,
        kept=hidden.kept,
        through_interface=call.form == "interface",
        bias=bias,
        lengths=tuple(
            dict.fromkeys(length for call in calls if call.form == "by_hand" for length in find_lengths(call))
        ),
        terms=tuple(dict.fromkeys(terms)),
        is_flat=_is_flat(call, site.names[key]),
        keys_are_turned=turned,
        mask_is_none=mask_is_none,
        mask_is_test=filling is not None and filling.is_test and not filling.hides,
        mask_hides=filling is not None and filling.hides,
        keys_are_read_elsewhere=keys_go_on,
        likenesses=tuple(dict.fromkeys(like for call in calls for like in _likenesses(call, site))),
        views=tuple(dict.fromkeys(ScoreTerm(view.site, view.text) for view in views)),
        softmaxes=tuple(dict.fromkeys(softmaxes)),
        window_mask=mask if is_by_window and mask else "",
    )


def _is_same(names: Names, others: Names, site: Site, other: Site) -> bool:
    """Are the names the same, but for a mask that the caller of one and the same statement does not give?"""
    return names == others or (names == (*others[:3], None) and site.statement is other.statement)


FLAT_PRODUCTS = ("bmm", "baddbmm")
RESHAPES = ("view", "reshape", "unflatten", "flatten")


def _forbid_closed_kernels(calls: Sequence[AttentionCall], key: str, mask: str | None) -> None:
    """A kernel that is called directly is told of a prefix by its mask alone."""
    for kernel in (call for call in calls if call.form == "kernel"):
        assert isinstance(kernel.output, Operation)
        told = (*kernel.output.args[5:], kernel.output.kwargs.get("is_causal"))
        if mask is None or any(told):
            raise Unclear(f"{kernel.output.name} is given no mask that has a name, or hides the future by itself")
        if len(Shapes(kernel.module).of(kernel.key)) != 4:
            raise Unclear(f"{key}, which {kernel.output.name} takes, is not known to be 4-D")


def _is_flat(call: AttentionCall, key: Value) -> bool:
    """Does a product of 3-D tensors take the keys as they are here?"""
    if call.product is None or call.product.name not in FLAT_PRODUCTS:
        return call.product is not None and has_flat_heads(key, call.module)
    steps = (value for value in walk(call.key, stop=key) if value is not key)
    if any(map(_puts_second_first, walk(key))):
        raise Unclear("examples are not the first axis of its input, but heads and examples share the first of keys")
    return not any(isinstance(value, Operation) and value.name in RESHAPES for value in steps)


def _puts_second_first(made: Value) -> bool:
    return order_of(made)[:1] == (1,) or sorted(exchanged(made) or ()) == [0, 1]


def _are_turned(call: AttentionCall, query: Value, key: Value) -> bool:
    """Are keys, other than queries, (…, width, length)?"""
    turned, others = has_length_last(key, query, call.module), has_length_last(query, key, call.module)
    return turned and not others


def _terms(call: AttentionCall, site: Site, mask: str | None) -> Iterator[ScoreTerm]:
    for term in find_terms(call, site.names[mask] if mask else None):
        if term is None or term.site.cls != site.cls:
            raise Unclear("something is added to the scores outside of the module")
        yield term


def _views(call: AttentionCall, site: Site, key: str) -> Iterator[ScoreView]:
    for view in find_views(call, site.names[key]):
        if view is None or view.site.cls != site.cls:
            raise Unclear("scores are viewed in a shape that does not count the prefix")
        yield view


def _likenesses(call: AttentionCall, site: Site) -> Iterator[ScoreTerm]:
    for like in find_likenesses(call):
        if like is None or like.site.cls != site.cls:
            raise Unclear("something takes the shape of the scores outside of the module")
        yield like


def _is_none(node: cst.BaseExpression | None) -> bool:
    return isinstance(node, cst.Name) and node.value == "None"


def _parameters(site: Site) -> set[str]:
    """What the method is given."""
    return {parameter.name.value for parameter in method_node(site.module, site.cls, site.method).params.params}


def _filling(call: AttentionCall, given: Value | None) -> Filling | None:
    """How the mask fills scores, if it does."""
    filling = call.fillings[0] if call.fillings else None
    if filling and filling.mask is not given:
        raise Unclear("how the attention mask becomes boolean is not understood")
    return filling


def _bias(site: Site, before: Statement) -> Iterator[str]:
    """Arguments of the attention function that have one entry per key."""
    if not isinstance(site.expression, cst.Call):
        return
    for argument in site.expression.args:
        if argument.keyword is not None and argument.keyword.value.endswith("bias"):
            if before is not site.statement:
                raise Unclear(f"{argument.keyword.value} is passed in one of several branches")
            yield site.module.code(argument.value)
