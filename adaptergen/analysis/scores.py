"""Where are keys and values complete, just before the scores are computed, and what are they called there?

key, value = layer_past.update(key, value, self.layer_id)
                                                          ← here: (batch, heads, length, head width)
attn_output, attn_weights = self._attn(query, key, value, attention_mask)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from adaptergen.analysis.attention import AttentionCall, filling_conditions, is_nothing
from adaptergen.analysis.hidden import find_hidden
from adaptergen.analysis.inline_scores import find_terms, measured_names, readers
from adaptergen.analysis.lengths import find_lengths
from adaptergen.analysis.statements import address, enclosing_blocks, method_node
from adaptergen.analysis.widths import has_flat_heads
from adaptergen.facts import Scores, ScoreTerm
from adaptergen.source import SourceModule, Statement
from adaptergen.tracing.graph import depends_on, walk
from adaptergen.tracing.values import Operation, Site, Value


class Unclear(Exception):
    """The scores cannot be located; the message says why."""


def find_scores(calls: Sequence[AttentionCall]) -> Scores:
    """The place before all of a module's computations of attention, and the names that hold their inputs.

    Raises:
        Unclear: a name is missing, used again later, or two computations disagree.
    """
    sites = [outermost_site(call) for call in calls]
    site, call = sites[-1], calls[-1]
    names = {_names(call, site) for call, site in zip(calls, sites, strict=True)}
    if len(names) != 1:
        raise Unclear("two computations of attention in one method use different names")
    query, key, value, mask = names.pop()
    _forbid_other_filling(calls)
    before = _statement_before_all(site, [s.statement for s in sites])
    terms = [term for call in calls for term in _terms(call, site)]
    later = list(_later_reads(site, before, sites, calls, (key, value, mask)))
    _forbid_measured_lengths(site, before, {key, value})
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
    )


FLAT_PRODUCTS = ("bmm", "baddbmm")
RESHAPES = ("view", "reshape", "unflatten", "flatten")


def _forbid_other_filling(calls: Sequence[AttentionCall]) -> None:
    for call in calls:
        conditions = len(list(filling_conditions(call.softmax))) if call.softmax else 0
        if conditions > call.fills:
            raise Unclear("scores are filled where a condition holds that is not understood")


def _is_flat(call: AttentionCall, key: Value) -> bool:
    """Does a product of 3-D tensors take the keys as they are here?"""
    if call.product is None or call.product.name not in FLAT_PRODUCTS:
        return call.product is not None and has_flat_heads(key, call.module)
    steps = (value for value in walk(call.key, stop=key) if value is not key)
    return not any(isinstance(value, Operation) and value.name in RESHAPES for value in steps)


def _terms(call: AttentionCall, site: Site) -> Iterator[ScoreTerm]:
    for term in find_terms(call):
        if term is None or term.site.cls != site.cls:
            raise Unclear("something is added to the scores outside of the module")
        yield term


def _is_test(call: AttentionCall, given: Value) -> bool:
    """Is the mask made boolean by the code itself, before it picks the scores that stay?"""
    if not call.fills or call.mask is given:
        return False
    match call.mask:
        case Operation(name="bool", args=(inner,)) if inner is given:
            return True
    raise Unclear("how the attention mask becomes boolean is not understood")


def outermost_site(call: AttentionCall) -> Site:
    """The call that leads to the scores, in the outermost method of the same module."""
    site = call.product.at if call.product else call.output.at
    while site.caller is not None and site.caller.instance is site.instance:
        site = site.caller
    return site


def _names(call: AttentionCall, site: Site) -> tuple[str, str, str, str | None]:
    arguments = _named_arguments(site)
    key = _holding(call.key, arguments, call.query)
    value = _holding(call.value, {n: v for n, v in arguments.items() if n != key}, call.query)
    query = _holding(call.query, arguments, call.key)
    if not (query and key and value):
        missing = "queries" if not query else "keys" if not key else "values"
        raise Unclear(f"no name holds the {missing} where the scores are computed")
    if is_nothing(call.mask):
        return query, key, value, None
    assert call.mask is not None
    mask = _holding(call.mask, arguments)
    if mask is None or mask in (query, key, value):
        raise Unclear("the attention mask is an expression, not a name")
    return query, key, value, mask


def _named_arguments(site: Site) -> dict[str, Value]:
    """The names that the call passes on, with their values; all names in reach when nothing is called."""
    if not isinstance(site.expression, cst.Call) or _is_product(site.expression):
        return dict(site.names)
    passed = [argument.value.value for argument in site.expression.args if isinstance(argument.value, cst.Name)]
    return {name: site.names[name] for name in passed if name in site.names}


def _is_product(node: cst.Call) -> bool:
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


def _forbid_measured_lengths(site: Site, before: Statement, names: set[str]) -> None:
    """Written-out attention must not go on with a number of keys that was read before the prefix came."""
    if not isinstance(site.expression, cst.Call) or not _is_product(site.expression):
        return
    node = method_node(site.module, site.cls, site.method)
    measured = measured_names(site.module, list(site.module.statements(node)), names)
    for statement in _from(site, before):
        if read := _reads(statement) & measured.keys():
            length = sorted(read)[0]
            raise Unclear(f"{length} tells the number of keys, and is read after the scores")


def _line(module: SourceModule, statement: Statement) -> str:
    return module.code(statement).splitlines()[0]


def _reads(statement: Statement) -> set[str]:
    if isinstance(statement, cst.BaseCompoundStatement):
        return set()
    targets = {id(target) for target in _targets(statement)}
    return {node.value for node in _name_nodes(statement) if id(node) not in targets}


def _name_nodes(node: cst.CSTNode) -> Iterator[cst.Name]:
    for child in node.children:
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
