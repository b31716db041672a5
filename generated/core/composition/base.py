"""What is a block of a setup, and what does it need of the place that it runs in?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self, TypeVar

from torch import Tensor

from generated.core.errors import UnsupportedCompositionError


BATCH, SEQUENCE = 0, 1


class State(Protocol):
    """
    What adapters at one kind of place work on: some tensors, one of which they change.

    `dim` is BATCH or SEQUENCE. The methods that take `parts` combine the changed tensor of these states, and keep
    everything else of this one, from which they were made.
    """

    def size(self, dim: int) -> int: ...

    def narrow(self, dim: int, start: int, length: int) -> Self: ...

    def join(self, parts: Sequence[Self], dim: int) -> Self: ...

    def mean(self, parts: Sequence[Self], weights: Sequence[float]) -> Self:
        """The mean of the weighted parts: their weighted sum over their number."""

    def choose(self, parts: Sequence[Self], rows: Tensor) -> Self:
        """Row i is that of `parts[rows[i]]`, (batch,)."""


AnyState = TypeVar("AnyState", bound=State)


class Slot(Protocol[AnyState]):
    """The place that a block runs in."""

    def run_adapter(self, name: str, state: AnyState) -> AnyState: ...

    def finish(self, name: str | None, state: AnyState) -> AnyState:
        """What the adapter that spoke last, if any, does to the state before it leaves the place."""

    def fuse(self, block: Any, state: AnyState) -> AnyState:
        """Mix what the children of a `Fuse` make of the state."""

    def route(self, block: Any, state: AnyState, *, is_last: bool) -> AnyState:
        """Send each row to the child of a `Route` or `MultiTask` that the call of the model names for it."""


class AdapterCompositionBlock(Sequence):
    """
    A node of a setup. Children are adapter names or further blocks; options are what the block itself needs.

    Where a place holds only some of the adapters, a block that divides its input keeps the others as `None`: what
    goes there passes unchanged.

    Raises:
        UnsupportedCompositionError: a child is a block that cannot stand in this one.
    """

    nestings: tuple[str, ...] = ()
    keeps_gaps = False
    kinds: ClassVar[dict[str, type[AdapterCompositionBlock]]] = {}

    def __init_subclass__(cls, *, is_abstract: bool = False) -> None:
        if not is_abstract:
            cls.kinds[cls.__name__] = cls

    def __init__(self, *children: str | AdapterCompositionBlock, **options: Any) -> None:
        self.children = tuple(self._checked(child) for child in children)
        self.options = options

    def run(self, slot: Slot[AnyState], state: AnyState, *, is_last: bool = True) -> AnyState:
        """
        Let the tree below act on a state.

        Args:
            is_last: nothing follows this block, so the adapters at its end finish what they began.
        """
        raise NotImplementedError

    def restricted_to(self, held: Collection[str]) -> Self | None:
        """This block without the adapters that are not in `held`; `None` if nothing is left."""
        return self.of([_restrict(child, held) for child in self.children])

    @property
    def only(self) -> str | None:
        """The adapter that stands here by itself, if this block is nothing but its place."""
        return None

    @property
    def leaves(self) -> tuple[str, ...]:
        """All adapter names in the tree, in order."""
        leaves = ((child,) if isinstance(child, str) else child.leaves for child in self.present)
        return tuple(name for leaf in leaves for name in leaf)

    @property
    def names(self) -> tuple[str, ...]:
        """All adapter names in the tree, in order, each once."""
        return tuple(dict.fromkeys(self.leaves))

    @property
    def present(self) -> tuple[str | AdapterCompositionBlock, ...]:
        """The children that are not gaps."""
        return tuple(child for child in self.children if child is not None)

    @property
    def blocks(self) -> Iterator[AdapterCompositionBlock]:
        """This block and all below it."""
        yield self
        for child in self.present:
            if isinstance(child, AdapterCompositionBlock):
                yield from child.blocks

    def flatten(self) -> set[str]:
        return set(self.names)

    def first(self) -> str:
        return self.leaves[0]

    def last(self) -> str:
        return self.leaves[-1]

    def to_dict(self) -> dict[str, Any]:
        """The tree as plain data, as AdapterHub's `adapter_setup.json` stores it."""
        children = [_leaf_to_dict(child) if isinstance(child, str) else child.to_dict() for child in self.present]
        return {"type": type(self).__name__, "children": children, "kwargs": dict(self.options)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AdapterCompositionBlock | str:
        """
        Rebuild what `to_dict` wrote, here or in AdapterHub.

        Raises:
            UnsupportedCompositionError: it names an unknown block, or options that the block does not take.
        """
        if data["type"] == "single":
            return data["children"][0]
        if data["type"] not in cls.kinds:
            raise UnsupportedCompositionError(f"unknown block {data['type']!r}; known: {', '.join(sorted(cls.kinds))}")
        try:
            return cls.kinds[data["type"]](*map(cls.from_dict, data["children"]), **data.get("kwargs", {}))
        except TypeError as error:
            raise UnsupportedCompositionError(f"cannot build a {data['type']} of {dict(data)}: {error}") from error

    def __getitem__(self, index):
        return self.children[index]

    def __len__(self) -> int:
        return len(self.children)

    def __iter__(self) -> Iterator[str | AdapterCompositionBlock]:
        return iter(self.children)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.children == other.children and self.options == other.options

    def __hash__(self) -> int:
        return hash((type(self), self.children))

    def __repr__(self) -> str:
        return f"{type(self).__name__}[{', '.join(map(str, self.children))}]"

    def of(self, children: Sequence[str | AdapterCompositionBlock | None]) -> Self | None:
        """The same block over other children; `None` if they are all gaps."""
        if all(child is None for child in children):
            return None
        copy = type(self).__new__(type(self))
        copy.children = tuple(child for child in children if self.keeps_gaps or child is not None)
        copy.options = self.options
        return copy

    def _checked(self, child: Any) -> str | AdapterCompositionBlock:
        if isinstance(child, str):
            return child
        if not isinstance(child, AdapterCompositionBlock):
            raise TypeError(f"a composition holds adapter names and blocks, not {type(child).__name__}: {child!r}")
        if type(child).__name__ not in self.nestings:
            allowed = ", ".join(self.nestings) or "no blocks"
            raise UnsupportedCompositionError(
                f"{child!r} cannot stand in {type(self).__name__}, which takes adapter names and {allowed}"
            )
        return child


Setup = str | AdapterCompositionBlock | Sequence[Any]


def run_child(
    child: str | AdapterCompositionBlock | None, slot: Slot[AnyState], state: AnyState, *, is_last: bool
) -> AnyState:
    """Let an adapter, a block or nothing act on a state."""
    if isinstance(child, AdapterCompositionBlock):
        return child.run(slot, state, is_last=is_last)
    state = state if child is None else slot.run_adapter(child, state)
    return slot.finish(child, state) if is_last else state


def _restrict(
    child: str | AdapterCompositionBlock | None, held: Collection[str]
) -> str | AdapterCompositionBlock | None:
    if isinstance(child, AdapterCompositionBlock):
        return child.restricted_to(held)
    return child if child in held else None


def _leaf_to_dict(name: str) -> dict[str, Any]:
    return {"type": "single", "children": [name]}
