"""Is what is added to the scores used again, after it was added?

scores += position_bias
...
return attn_output, position_bias     the next layer adds it, too: with a prefix of its own
"""

from __future__ import annotations

from adaptergen.analysis.measured import name_nodes
from adaptergen.analysis.statements import method_node
from adaptergen.tracing.values import Sum, Value


def is_handed_on(total: Sum, term: Value) -> bool:
    """Does a statement behind the one that makes the sum read what was added?"""
    at = total.at
    names = {name for name, value in at.names.items() if value is term}
    statements = list(at.module.statements(method_node(at.module, at.cls, at.method)))
    behind = statements[statements.index(at.statement) + 1 :] if at.statement in statements else []
    return any(node.value in names for statement in behind for node in name_nodes(statement))
