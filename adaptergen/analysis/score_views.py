"""Where scores are viewed in a shape that names the number of keys, does that number count the prefix?

scores = scores.view(batch // windows, windows, self.num_heads, length, length)     the last is the number of keys
position_bias = position_bias.reshape_as(scores)                                    which has nothing for the prefix
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
from msgspec import Struct

from adaptergen.analysis.attention import LIKE_ANOTHER, AttentionCall, score_sums, through_elementwise
from adaptergen.analysis.statements import statement_site
from adaptergen.facts import ScoreTerm, StatementSite
from adaptergen.tracing.graph import depends_on
from adaptergen.tracing.values import Attribute, Constant, Item, Operation, Value


VIEWS = ("view", "reshape")


class ScoreView(Struct, frozen=True):
    """A view of scores; with windows it has more than four dimensions."""

    site: StatementSite
    text: str
    has_windows: bool


def find_views(call: AttentionCall, key: Value) -> Iterator[ScoreView | None]:
    """Views of scores whose last size has to be told of a prefix of `key`; None for one that cannot be told."""
    if call.softmax is None or call.product is None:
        return
    for value in (*through_elementwise(call.softmax.first), *through_elementwise(call.output.first)):
        match value:
            case Operation(name=name, args=(scores, *sizes)) if name in VIEWS and depends_on(scores, call.product):
                if sizes and not _counts_prefix(sizes[-1], call.product, key):
                    yield _view(value, call)


def find_likenesses(call: AttentionCall) -> Iterator[ScoreTerm | None]:
    """What is added to the scores, where it takes their shape; None for what another module gives it."""
    if call.softmax is None or call.product is None:
        return
    for _, term in score_sums(call.softmax, call.product):
        if isinstance(term, Operation) and term.name in LIKE_ANOTHER and depends_on(term.args[1], call.product):
            own = term.at.instance is call.module
            yield ScoreTerm(statement_site(term.at), term.at.module.code(term.at.expression)) if own else None


def _counts_prefix(size: Value, product: Operation, key: Value) -> bool:
    """Is it left open, or measured on scores, or on keys that have the prefix?"""
    match size:
        case Constant(value=-1):
            return True
        case Item(value=inner, index="*"):
            return _counts_prefix(inner, product, key)
        case Item(value=Attribute(owner=owner, name="shape") | Operation(name="size", args=(owner,))):
            return depends_on(owner, product) or depends_on(owner, key)
        case Operation(name="size", args=(owner, *_)) | Attribute(owner=owner, name="shape"):
            return depends_on(owner, product) or depends_on(owner, key)
    return False


def _view(view: Operation, call: AttentionCall) -> ScoreView | None:
    node = view.at.expression
    own = view.at.instance is call.module and isinstance(node, cst.Call)
    if not own or not isinstance(node, cst.Call) or isinstance(node.args[-1].value, cst.Tuple | cst.List):
        return None
    return ScoreView(statement_site(view.at), view.at.module.code(node), has_windows=len(view.args) > 5)
