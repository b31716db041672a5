"""Is what is added to the scores used again, after it was added?

scores += position_bias
...
return attn_output, position_bias     the next layer adds it, too: with a prefix of its own
"""

from __future__ import annotations

from adaptergen.analysis.measured import name_nodes
from adaptergen.analysis.statements import statements_from
from adaptergen.tracing.values import Sum, Value


def is_handed_on(total: Sum, term: Value) -> bool:
    """Does a statement behind the one that makes the sum read what was added?"""
    names = {name for name, value in total.at.names.items() if value is term}
    _, *behind = statements_from(total.at, total.at.statement)
    return any(node.value in names for statement in behind for node in name_nodes(statement))
