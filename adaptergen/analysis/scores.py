"""Where are keys and values complete, just before the scores are computed, and what are they called there?

key, value = layer_past.update(key, value, self.layer_id)
                                                          ← here: (batch, heads, length, head width)
attn_output, attn_weights = self._attn(query, key, value, attention_mask)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from adaptergen.analysis.attention import AttentionCall, filling_conditions
from adaptergen.analysis.hidden import find_hidden
from adaptergen.analysis.inline_scores import find_terms, readers
from adaptergen.analysis.lengths import find_lengths
from adaptergen.analysis.measured import before_measures, measured_names, measures, uses_beyond_shapes
from adaptergen.analysis.score_names import Unclear, is_product, names_of, outermost_site
from adaptergen.analysis.score_views import find_views
from adaptergen.analysis.statements import address, enclosing_blocks, method_node
from adaptergen.analysis.widths import has_flat_heads
from adaptergen.facts import Scores, ScoreTerm
from adaptergen.nodes import children
from adaptergen.source import SourceModule, Statement, descendants
from adaptergen.tracing.graph import walk
from adaptergen.tracing.values import Operation, Site, Value


def find_scores(calls: Sequence[AttentionCall]) -> Scores:
    """The place before all of a module's computations of attention, and the names that hold their inputs.

    Raises:
        Unclear: a name is missing, used again later, or two computations disagree.
    """
    sites = [outermost_site(call) for call in calls]
    site, call = sites[-1], calls[-1]
    names = {names_of(call, site) for call, site in zip(calls, sites, strict=True)}
    if len(names) != 1:
        raise Unclear("two computations of attention in one method use different names")
    query, key, value, mask = names.pop()
    _forbid_other_uses(calls)
    if mask is None and call.form == "by_hand":
        raise Unclear("no mask is added to the scores, by which rows of a batch could be kept from a prefix")
    before = _statement_before_all(site, [s.statement for s in sites])
    terms = [term for call in calls for term in _terms(call, site, mask)]
    if _is_written_out(site):
        complete = {name for name in (query, key, value, mask) if name}
        before = before_measures(site, before, complete, {key, value})
        _forbid_measured_lengths(site, before, {key, value})
    later = list(_later_reads(site, before, sites, calls, (key, value, mask)))
    for statement, read in later:
        if read != {key} or before is not site.statement or not _binds_term(statement, terms):
            names_read = ", ".join(sorted(read))
            raise Unclear(f"{names_read} is read again after the scores, in `{_line(site.module, statement)}`")
    hidden = find_hidden(call, site)
    if hidden is None:
        raise Unclear("no name holds the input of the query projection")
    return Scores(
        site=address(site.module, site.cls, site.method, before),
        query=query,
        key=key,
        value=value,
        mask=mask,
        hidden=hidden.name,
        kept=hidden.kept,
        through_interface=call.form == "interface",
        bias=tuple(_bias(site, before)) if call.form == "interface" else (),
        lengths=tuple(length for call in calls if call.form == "by_hand" for length in find_lengths(call)),
        terms=tuple(dict.fromkeys(terms)),
        is_flat=_is_flat(call, site.names[key]),
        mask_is_test=mask is not None and _is_test(call, site.names[mask]),
        keys_are_read_elsewhere=bool(later),
        views=tuple(dict.fromkeys(view for call in calls for view in _views(call, site, key))),
    )


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


def _forbid_other_uses(calls: Sequence[AttentionCall]) -> None:
    for call in calls:
        if call.is_two_way:
            raise Unclear("the scores serve two attentions: the queries of one are the keys of the other")
        conditions = len(list(filling_conditions(call.softmax))) if call.softmax else 0
        if conditions > call.fills:
            raise Unclear("scores are filled where a condition holds that is not understood")


def _is_flat(call: AttentionCall, key: Value) -> bool:
    """Does a product of 3-D tensors take the keys as they are here?"""
    if call.product is None or call.product.name not in FLAT_PRODUCTS:
        return call.product is not None and has_flat_heads(key, call.module)
    steps = (value for value in walk(call.key, stop=key) if value is not key)
    return not any(isinstance(value, Operation) and value.name in RESHAPES for value in steps)


def _terms(call: AttentionCall, site: Site, mask: str | None) -> Iterator[ScoreTerm]:
    for term in find_terms(call, site.names[mask] if mask else None):
        if term is None or term.site.cls != site.cls:
            raise Unclear("something is added to the scores outside of the module")
        yield term


def _views(call: AttentionCall, site: Site, key: str) -> Iterator[ScoreTerm]:
    for view in find_views(call, site.names[key]):
        if view is None or view.site.cls != site.cls:
            raise Unclear("scores are viewed in a shape that does not count the prefix")
        if view.has_windows:
            raise Unclear("a mask is added window by window, which keeps no row of a batch from a prefix")
        yield ScoreTerm(view.site, view.text)


def _is_test(call: AttentionCall, given: Value) -> bool:
    """Is the mask made boolean by the code itself, before it picks the scores that stay?"""
    if not call.fills or call.mask is given:
        return False
    match call.mask:
        case Operation(name="bool", args=(inner,)) if inner is given:
            return True
    raise Unclear("how the attention mask becomes boolean is not understood")


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
        read -= set(_measured_only(statement, read))
        if read and statement not in scoring:
            yield statement, read


def _measured_only(statement: Statement, names: set[str]) -> Iterator[str]:
    """Names of which the statement reads nothing but sizes."""
    nodes = [node for node in descendants(statement, cst.Attribute) if isinstance(node.value, cst.Name)]
    for name in names:
        sizes = [node for node in nodes if measures(node, {name})]
        if sizes and len(sizes) == sum(node.value == name for node in _name_nodes(statement)):
            yield name


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
    return {node.value for node in _name_nodes(statement) if id(node) not in targets}


def _name_nodes(node: cst.CSTNode) -> Iterator[cst.Name]:
    for child in children(node):
        if isinstance(child, cst.Name):
            yield child
        elif isinstance(child, cst.Attribute):
            yield from _name_nodes(cst.Expr(child.value)) if isinstance(child.value, cst.Name) else _name_nodes(child)
        else:
            yield from _name_nodes(child)


def _targets(statement: cst.SimpleStatementLine) -> Iterator[cst.CSTNode]:
    for small in statement.body:
        if isinstance(small, cst.Assign):
            for target in small.targets:
                yield from (
                    _name_nodes(cst.Expr(target.target))
                    if isinstance(target.target, cst.Name)
                    else (_name_nodes(target.target))
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
