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
from adaptergen.analysis.inline_scores import find_terms, readers
from adaptergen.analysis.lengths import find_lengths
from adaptergen.analysis.measured import before_measures, measured_names, name_nodes, told_of, uses_beyond_shapes
from adaptergen.analysis.score_names import Names, Unclear, is_product, mask_given, names_of, outermost_site
from adaptergen.analysis.score_views import ScoreView, find_likenesses, find_views
from adaptergen.analysis.shapes import Shapes
from adaptergen.analysis.statements import address, enclosing_blocks, method_node
from adaptergen.analysis.widths import has_flat_heads, has_heads_behind, has_length_last
from adaptergen.facts import Scores, ScoreTerm
from adaptergen.source import SourceModule, Statement
from adaptergen.tracing import values
from adaptergen.tracing.graph import walk
from adaptergen.tracing.values import Constant, Operation, Site, Value


def find_scores(calls: Sequence[AttentionCall]) -> Scores:
    """The place before all of a module's computations of attention, and the names that hold their inputs.

    Raises:
        Unclear: a name is missing, used again later, or two computations disagree.
    """
    sites = [outermost_site(call) for call in calls]
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
    before, keys_go_on = _before(site, sites, calls, names, terms)
    filling = _filling(call, site.names.get(mask or ""))
    turned = _are_turned(call, site.names[query], site.names[key])
    if turned and softmaxes:
        raise Unclear(f"no mask is added to the scores, and the length of {key} is the last of its sizes")
    if turned and _is_written_out(site) and measured_names(_from(site, before), {key}):
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
        lengths=tuple(length for call in calls if call.form == "by_hand" for length in find_lengths(call)),
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


def _before(
    site: Site, sites: Sequence[Site], calls: Sequence[AttentionCall], names: Names, terms: Sequence[ScoreTerm]
) -> tuple[Statement, bool]:
    """The statement before which a prefix joins, and whether the keys are read behind it to make what is added."""
    _, key, value, mask = names
    before = _statement_before_all(site, [s.statement for s in sites])
    are_measured = False
    if _is_written_out(site):
        before = before_measures(site, before, {name for name in names if name}, {key, value})
        are_measured = before is site.statement and _are_measured_for(terms, site, key)
        _forbid_measured_lengths(site, before, {value} if are_measured else {key, value})
    later = list(_later_reads(site, before, sites, calls, (key, value, mask)))
    for statement, read in later:
        if read != {key} or before is not site.statement or not _binds_term(statement, terms):
            names_read = ", ".join(sorted(read))
            raise Unclear(f"{names_read} is read again after the scores, in `{_line(site.module, statement)}`")
    return before, bool(later) or are_measured


def _is_same(names: Names, others: Names, site: Site, other: Site) -> bool:
    """Are the names the same, but for a mask that the caller of one and the same statement does not give?"""
    return names == others or (names == (*others[:3], None) and site.statement is other.statement)


def _is_written_out(site: Site) -> bool:
    """Are the scores computed in the method itself, and not in another that it calls?"""
    match site.expression:
        case cst.BinaryOperation(operator=cst.MatrixMultiply()):
            return True
        case cst.Call() as call:
            return is_product(call)
    return False


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
    match made:
        case Operation(name="permute", args=(_, Constant(value=1), *_)):
            return True
        case Operation(name="permute", args=(_, values.Sequence(items=(Constant(value=1), *_)))):
            return True
        case Operation(
            name="transpose" | "swapaxes", args=(_, Constant(value=int(first)), Constant(value=int(second)))
        ):
            return sorted((first, second)) == [0, 1]
    return False


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


def _statement_before_all(site: Site, statements: list[Statement]) -> Statement:
    """The one statement, or the compound statement in whose branches all of them stand."""
    node = method_node(site.module, site.cls, site.method)
    chains = [enclosing_blocks(node, statement) for statement in dict.fromkeys(statements)]
    if len(chains) == 1:
        return chains[0][-1]
    common = [row[0] for row in zip(*chains, strict=False) if all(other is row[0] for other in row)]
    return common[-1] if common else min(chains, key=lambda chain: site.module.at(chain[0]))[0]


def _later_reads(
    site: Site,
    before: Statement,
    sites: Sequence[Site],
    calls: Sequence[AttentionCall],
    names: tuple[str, str, str | None],
) -> Iterator[tuple[Statement, set[str]]]:
    """Statements that read an extended name for something else than the computation of attention."""
    scoring = [s.statement for s in sites]
    may_read = [readers(call, site, names[2]) for call in calls]
    own = {n: {i for row in may_read for i in row.get(part, ())} for part, n in zip(_PARTS, names, strict=True) if n}
    statements = [s for s in _from(site, before) if not isinstance(s, cst.BaseCompoundStatement)]
    for statement in statements:
        read = {name for name in _reads(statement) & own.keys() if id(statement) not in own[name]}
        read -= set(told_of(statement, read))
        if read and statement not in scoring:
            yield statement, read


_PARTS = ("key", "value", "mask")


def _from(site: Site, before: Statement) -> list[Statement]:
    """The statements of the method from this one on."""
    statements = list(site.module.statements(method_node(site.module, site.cls, site.method)))
    return statements[statements.index(before) :]


def _binds_term(statement: Statement, terms: Sequence[ScoreTerm]) -> bool:
    """Does the statement make what is added to the scores?"""
    if not isinstance(statement, cst.SimpleStatementLine):
        return False
    bound = {name.value for name in _targets(statement) if isinstance(name, cst.Name)}
    return bool(bound & {term.term for term in terms})


def _are_measured_for(terms: Sequence[ScoreTerm], site: Site, key: str) -> bool:
    """Is the number of keys read after the scores to make what is added to them, and for nothing else?"""
    after = _from(site, site.statement)
    added = {term.term for term in terms}
    made = set(measured_names(after, {key}))
    for statement in after:
        if isinstance(statement, cst.SimpleStatementLine) and _reads(statement) & (made - added):
            bound = {name.value for name in _targets(statement) if isinstance(name, cst.Name)}
            made |= bound or {""}
    adding = {term.site.text for term in terms}
    scores = {name for s in after if site.module.header(s) in adding for name in _reads(s) - added}
    return bool(made & added) and "" not in made and not made & scores


def _forbid_measured_lengths(site: Site, before: Statement, names: set[str]) -> None:
    """Written-out attention must not go on with a number of keys that was read before the prefix came."""
    statements = list(site.module.statements(method_node(site.module, site.cls, site.method)))
    after = _from(site, before)
    measured = measured_names(statements, names)
    stale = {name for name, statement in measured.items() if not any(statement is s for s in after)}
    for statement in after:
        if read := _reads(statement) & stale:
            raise Unclear(f"{min(read)} tells the number of keys, and is read after the scores")
        if read := set(uses_beyond_shapes(statement, measured.keys() - stale)):
            line = _line(site.module, statement)
            raise Unclear(f"{min(read)} tells the number of keys, and is used for more than shapes, in `{line}`")


def _line(module: SourceModule, statement: Statement) -> str:
    return module.code(statement).splitlines()[0]


def _reads(statement: Statement) -> set[str]:
    if isinstance(statement, cst.BaseCompoundStatement):
        return set()
    targets = {id(target) for target in _targets(statement)}
    return {node.value for node in name_nodes(statement) if id(node) not in targets}


def _targets(statement: cst.SimpleStatementLine) -> Iterator[cst.CSTNode]:
    for small in statement.body:
        if isinstance(small, cst.Assign):
            for target in small.targets:
                yield from (
                    name_nodes(cst.Expr(target.target))
                    if isinstance(target.target, cst.Name)
                    else (name_nodes(target.target))
                )


def _bias(site: Site, before: Statement) -> Iterator[str]:
    """Arguments of the attention function that have one entry per key."""
    if not isinstance(site.expression, cst.Call):
        return
    for argument in site.expression.args:
        if argument.keyword is not None and argument.keyword.value.endswith("bias"):
            if before is not site.statement:
                raise Unclear(f"{argument.keyword.value} is passed in one of several branches")
            yield site.module.code(argument.value)
