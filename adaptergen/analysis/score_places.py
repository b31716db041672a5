"""Before which statement does a prefix join keys and values: the one that computes the scores, or an earlier one?

length = key.shape[-2]                 here, so that everything that is measured counts the prefix
scores = query @ key.transpose(-1, -2)
scores = scores + bias[:length]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from adaptergen.analysis.attention import AttentionCall
from adaptergen.analysis.inline_scores import readers
from adaptergen.analysis.measured import before_measures, measured_names, name_nodes, told_of, uses_beyond_shapes
from adaptergen.analysis.score_names import Names, Unclear, is_product
from adaptergen.analysis.statements import enclosing_blocks, method_node, statements_from
from adaptergen.facts import ScoreTerm
from adaptergen.source import SourceModule, Statement
from adaptergen.tracing.values import Site


def place_of_prefix(
    site: Site, sites: Sequence[Site], calls: Sequence[AttentionCall], names: Names, terms: Sequence[ScoreTerm]
) -> tuple[Statement, bool]:
    """
    The statement before which a prefix joins, and whether the keys are read behind it to make what is added.

    Args:
        site: of one of the computations of attention, the one whose names are used.
        sites: of all of them.
        terms: what is added to the scores.

    Raises:
        Unclear: keys or values, or how many they are, are read again for something that does not know of a prefix.
    """
    _, key, value, mask = names
    before = _statement_before_all(site, [s.statement for s in sites])
    are_measured = False
    if is_written_out(site):
        before = before_measures(site, before, {name for name in names if name}, {key, value})
        are_measured = before is site.statement and _are_measured_for(terms, site, key)
        _forbid_measured_lengths(site, before, {value} if are_measured else {key, value})
    later = list(_later_reads(site, before, sites, calls, (key, value, mask)))
    for statement, read in later:
        if read != {key} or before is not site.statement or not _binds_term(statement, terms):
            names_read = ", ".join(sorted(read))
            raise Unclear(f"{names_read} is read again after the scores, in `{_line(site.module, statement)}`")
    return before, bool(later) or are_measured


def is_written_out(site: Site) -> bool:
    """Are the scores computed in the method itself, and not in another that it calls?"""
    match site.expression:
        case cst.BinaryOperation(operator=cst.MatrixMultiply()):
            return True
        case cst.Call() as call:
            return is_product(call)
    return False


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
    statements = [s for s in statements_from(site, before) if not isinstance(s, cst.BaseCompoundStatement)]
    for statement in statements:
        read = {name for name in _reads(statement) & own.keys() if id(statement) not in own[name]}
        read -= set(told_of(statement, read))
        if read and statement not in scoring:
            yield statement, read


_PARTS = ("key", "value", "mask")


def _binds_term(statement: Statement, terms: Sequence[ScoreTerm]) -> bool:
    """Does the statement make what is added to the scores?"""
    if not isinstance(statement, cst.SimpleStatementLine):
        return False
    bound = {name.value for name in _targets(statement) if isinstance(name, cst.Name)}
    return bool(bound & {term.term for term in terms})


def _are_measured_for(terms: Sequence[ScoreTerm], site: Site, key: str) -> bool:
    """
    Is the number of keys read after the scores to make what is added to them, and for nothing else? The method may
    return it, too: it is for keys of tokens only, as without a prefix.
    """
    after = statements_from(site, site.statement)
    added = {term.term for term in terms}
    measured = set(measured_names(after, {key}))
    made = set(measured)
    for statement in after:
        if isinstance(statement, cst.SimpleStatementLine) and (read := _reads(statement) & (made - added)):
            bound = {name.value for name in _targets(statement) if isinstance(name, cst.Name)}
            is_returned = isinstance(statement.body[0], cst.Return) and not read & measured
            made |= bound or (set() if is_returned else {""})
    adding = {term.site.text for term in terms}
    scores = {name for s in after if site.module.header(s) in adding for name in _reads(s) - added}
    return bool(made & added) and "" not in made and not made & scores


def _forbid_measured_lengths(site: Site, before: Statement, names: set[str]) -> None:
    """Written-out attention must not go on with a number of keys that was read before the prefix came."""
    statements = list(site.module.statements(method_node(site.module, site.cls, site.method)))
    after = statements_from(site, before)
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
