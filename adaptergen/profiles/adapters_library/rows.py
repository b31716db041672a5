"""Where a feed-forward takes all positions of a batch as rows, its copy does not: adapters tell examples apart.

    shape = hidden_states.shape
    hidden_states = hidden_states.reshape(-1, hidden_states.size(-1))      goes
    ...
    hidden_states = (residual + hidden_states).view(shape)                 stays, and changes nothing any more

Gates average over the positions of an example, and some compositions cut a batch: neither can be done to rows of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from adaptergen.plan import ResidualHook
from adaptergen.source import SourceModule, Statement
from adaptergen.transforms.anchors import find_statement
from adaptergen.transforms.edits import Edit, Replacement, upstream_lines


BACK = re.compile(r"\.(?:view|reshape)\((\w+)\)$")
SHAPE = r"{} = (\w+)\.(?:shape|size\(\))"
FLATTENED = r"{0} = {0}\.(?:view|reshape)\(-1, {0}\.(?:size\(-1\)|shape\[-1\])\)"
BECAUSE = "adapters tell examples apart, which rows of all of them do not"


def keep_examples(source: SourceModule, hooks: Sequence[ResidualHook]) -> Iterator[Replacement]:
    """The statements that flatten what is brought back into its shape where adapters are called."""
    for hook in hooks:
        if back := BACK.search(hook.statement):
            after = find_statement(source, hook.cls, hook.method, hook.statement, hook.nth)
            flattening = _flattening(source, hook, back[1], source.at(after).line)
            if flattening is not None:
                line, before = upstream_lines(source, flattening, flattening)
                edit = Edit(hook.cls, hook.method, line, before, (), BECAUSE)
                yield Replacement(edit, (flattening,), ())


def _flattening(source: SourceModule, hook: ResidualHook, shape: str, line: int) -> Statement | None:
    """The last statement above a line that flattens states right after their shape was kept under this name."""
    method = source.classes[hook.cls].methods[hook.method]
    found = None
    for statement in source.statements(method):
        kept = re.fullmatch(SHAPE.format(shape), source.header(statement))
        following = source.following(statement) if kept and source.at(statement).line < line else None
        if kept and following and re.fullmatch(FLATTENED.format(kept[1]), source.header(following)):
            found = following
    return found
