"""Which linear calls does a state come from, and from which part of their output?

query, key, value = self.c_attn(hidden_states).split(self.split_size, dim=2)    key: part 1 of c_attn
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from adaptergen.tracing.graph import is_linear_call
from adaptergen.tracing.values import Call, Instance, Item, Operation, Sequence, Value


SPLITS = ("split", "chunk", "tensor_split", "unbind")


class Part(Struct, frozen=True, eq=False):
    """A linear call that makes a state, and which part of its output when that is split."""

    call: Call
    index: int | None

    @property
    def path(self) -> str:
        assert isinstance(self.call.callee, Instance)
        return self.call.callee.path


def projected(state: Value) -> Iterator[Part]:
    """The linear calls that a state comes from, looking through splits but not behind the calls."""
    seen: set[int] = set()
    queue: list[tuple[Value, int | None]] = [(state, None)]
    for current, index in queue:
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, Call) and is_linear_call(current):
            yield Part(current, index)
        elif isinstance(current, Item) and isinstance(current.index, int) and _is_even_split(current.value):
            assert isinstance(current.value, Operation)
            queue.append((current.value.first, current.index))
        else:
            queue.extend((part, index) for part in current.parts())


def _is_even_split(value: Value) -> bool:
    """Parts of equal width: `split(size)` or `chunk(count)`, not a list of sizes."""
    if not isinstance(value, Operation) or value.name not in SPLITS:
        return False
    return len(value.args) < 2 or not isinstance(value.args[1], Sequence)
