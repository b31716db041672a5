"""Where no mask tells the rows of a batch apart, where can a prefix be hidden from the rows that have none?

scores = query @ key.transpose(-1, -2)
                                        ← here: the scores have a name, and a column for each position of the prefix
weights = scores.softmax(dim=-1)
"""

from __future__ import annotations

import libcst as cst

from adaptergen.analysis.attention import AttentionCall
from adaptergen.analysis.score_names import Unclear
from adaptergen.analysis.statements import statement_site
from adaptergen.facts import ScoreTerm
from adaptergen.source import descendants
from adaptergen.tracing.graph import depends_on, walk
from adaptergen.tracing.values import Operation, Site, Value


# What leaves keys as many as they are, in rows of their own.
KEEPS_KEYS = frozenset(
    ("transpose", "permute", "swapaxes", "contiguous", "to", "float", "type_as", "mul", "div", "normalize")
)

CASTS = frozenset(("float", "to", "type_as"))


def find_hiding(call: AttentionCall, site: Site, key: Value) -> ScoreTerm:
    """The softmax, in the method where `key` is complete, and the name of the scores that it takes.

    Raises:
        Unclear: there is no such name there, or the softmax is not over the keys that have this name.
    """
    assert call.softmax is not None
    at = call.softmax.at
    if at.instance is not site.instance or (at.cls, at.method) != (site.cls, site.method):
        raise Unclear("no mask is added to the scores, and their softmax is in another method than keys and values")
    if any(_changes_keys(value, key) for value in walk(call.key, stop=key)):
        raise Unclear("no mask is added to the scores, and keys are laid out anew for them")
    read = {name.value for name in descendants(at.expression, cst.Name)}
    for name, value in at.names.items():
        if name in read and value is _as_computed(call.softmax.first):
            return ScoreTerm(statement_site(at), name)
    raise Unclear("no mask is added to the scores, and they have no name before their softmax")


def _as_computed(scores: Value) -> Value:
    """The scores before they become numbers of another precision: `scores` in `softmax(scores.float())`."""
    while isinstance(scores, Operation) and scores.name in CASTS:
        scores = scores.first
    return scores


def _changes_keys(value: Value, key: Value) -> bool:
    """Is it a step behind the keys after which there may be more or fewer of them, or other rows?"""
    is_other = isinstance(value, Operation) and value.name not in KEEPS_KEYS
    return value is not key and is_other and depends_on(value, key)
