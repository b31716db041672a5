"""Can an attention get its prefix where it looks up the attention function, for all calls of it together?

attention_interface = ALL_ATTENTION_FUNCTIONS.get_interface(...)
                                        ← here the function is taken around, which then gives each sequence its prefix
outputs = [attention_interface(self, q, k, v, None)[0] for q, k, v in zip(*splits)]

This serves several calls in one method, and sequences that follow one another in one row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from adaptergen.analysis.attention import AttentionCall
from adaptergen.analysis.hidden import find_hidden
from adaptergen.analysis.score_names import Unclear
from adaptergen.analysis.statements import address, enclosing_blocks, method_node
from adaptergen.facts import Scores
from adaptergen.tracing.graph import walk
from adaptergen.tracing.values import Call, Item, Operation, Site, Value


def find_function(calls: Sequence[AttentionCall]) -> Scores:
    """The statement that looks up the attention function, and the names of what its calls need to know.

    Raises:
        Unclear: there is no such statement before all calls, or a name is missing.
    """
    site, name = _lookup(calls)
    hidden = find_hidden(calls[0], site)
    if hidden is None:
        raise Unclear("no name holds the input of the query projection")
    return Scores(
        site=address(site.module, site.cls, site.method, site.statement),
        query="",
        key="",
        value="",
        mask=None,
        hidden=hidden.name,
        kept=hidden.kept,
        through_interface=True,
        function=name,
        boundaries=_boundaries(calls, site),
    )


def _lookup(calls: Sequence[AttentionCall]) -> tuple[Site, str]:
    """The one place where the function of all calls is bound to a name, in the method that calls it."""
    found = {id(value): value for call in calls for value in (_function(call),) if value is not None}
    if len(found) != 1 or any(_function(call) is None for call in calls):
        raise Unclear("the calls of attention functions do not share one that is looked up before")
    lookup = next(iter(found.values()))
    site = lookup.at
    chain = enclosing_blocks(method_node(site.module, site.cls, site.method), site.statement)
    own = all((call.output.at.cls, call.output.at.method) == (site.cls, site.method) for call in calls)
    match site.statement:
        case cst.SimpleStatementLine(
            body=[
                cst.AnnAssign(target=cst.Name(value=name))
                | cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))])
            ]
        ) if own and len(chain) == 1:
            return site, name
    raise Unclear("the attention function is not looked up in the method that calls it")


def _function(call: AttentionCall) -> Operation | None:
    callee = call.output.callee if isinstance(call.output, Call) else None
    return callee if isinstance(callee, Operation) else None


def _boundaries(calls: Sequence[AttentionCall], site: Site) -> str:
    """The name of the boundaries of sequences in one row; "" where rows are sequences."""
    splits = [split for call in calls for split in _splits(call.key)]
    told = {id(value): value for split in splits for value in (_bounds(split),) if value is not None}
    told.update({id(value): value for call in calls for value in _said_to_kernel(call)})
    if not splits and not told:
        return ""
    if len(told) == 1 and all(_bounds(split) is not None for split in splits):
        wanted = next(iter(told.values()))
        for name, value in site.names.items():
            if value is wanted:
                return name
    raise Unclear("how sequences that follow one another in one row are divided is not understood")


def _splits(key: Value) -> Iterator[Operation]:
    """Divisions of the keys into parts that are attended to one by one."""
    for value in walk(key):
        match value:
            case Item(value=Operation(name="split") as split, index="each"):
                yield split


def _bounds(split: Operation) -> Value | None:
    """`x` where parts are as long as `x[1:] - x[:-1]`."""
    for value in walk(split.args[1]) if len(split.args) > 1 else ():
        match value:
            case Operation(name="sub", args=(Item(value=ends, index="1:"), Item(value=starts, index=":-1"))):
                return ends if ends is starts else None
    return None


def _said_to_kernel(call: AttentionCall) -> Iterator[Value]:
    given = call.output.kwargs.get("cu_seq_lens_k")
    if given is not None:
        yield given
