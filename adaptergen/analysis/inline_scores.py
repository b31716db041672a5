"""Where attention is written out: what is added to the scores, and which statements read what a prefix extends?

scores = torch.matmul(query, key.transpose(-1, -2))     reads the keys
scores = scores + position_bias                         a term: one entry per key
scores = scores + attention_mask                        reads the mask
output = torch.matmul(scores.softmax(-1), value)        reads the values
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from adaptergen.analysis.additions import operand_text
from adaptergen.analysis.attention import AttentionCall, score_sums
from adaptergen.analysis.statements import statement_site
from adaptergen.facts import ScoreTerm
from adaptergen.tracing.graph import depends_on, is_input, reached, walk
from adaptergen.tracing.values import Operation, Site, Sum, Value


def find_terms(call: AttentionCall, mask: Value | None) -> Iterator[ScoreTerm | None]:
    """Everything but the given mask that is added to the scores; None for what the module does not add itself."""
    if call.softmax is None or call.product is None:
        return
    for total, term in score_sums(call.softmax, call.product):
        if mask is None or not (depends_on(term, mask) or depends_on(mask, term)):
            own = total.at.instance is call.module
            yield ScoreTerm(statement_site(total.at), operand_text(total, term)) if own else None
    if call.product.name == "baddbmm" and reached(call.product.first, is_input):
        yield ScoreTerm(statement_site(call.product.at), _added_text(call.product.at))


def _added_text(product: Site) -> str:
    """What is added to the product in `x.baddbmm(…)` or `torch.baddbmm(x, …)`, as written."""
    match product.expression:
        case cst.Call(func=cst.Attribute(value=cst.Name(value="torch")), args=[cst.Arg(value=added), *_]):
            return product.module.code(added)
        case cst.Call(func=cst.Attribute(value=added)):
            return product.module.code(added)
    return ""


def readers(call: AttentionCall, site: Site, mask: str | None) -> dict[str, frozenset[int]]:
    """The statements of the computation itself that read keys ("key"), values ("value") and mask ("mask")."""
    if call.softmax is None or call.product is None:
        return {}
    own = (call.product.at, call.output.at)
    product, output = (frozenset({id(at.statement)} if _is_in(at, site) else ()) for at in own)
    masking = frozenset[int]()
    if mask is not None:
        given = site.names[mask]
        made = (v for v in walk(call.softmax.first, stop=call.product) if isinstance(v, Sum | Operation))
        places = (at for v in made if depends_on(v, given) for at in _with_callers(v.at) if _is_in(at, site))
        masking = frozenset(id(at.statement) for at in places)
    return {"key": product, "value": output, "mask": masking}


def _with_callers(at: Site) -> Iterator[Site]:
    """A place, and those from which it was reached."""
    yield at
    if at.caller is not None:
        yield from _with_callers(at.caller)


def _is_in(at: Site, site: Site) -> bool:
    return at.instance is site.instance and at.method == site.method
