"""How do several adapters act together?

A setup is a tree: blocks inside, adapter names at the leaves. A place in the model (a slot) lets the tree
run over its own state:

    Stack("a", "b")      state → a → b → state

A block is one class: `run` says what it computes, `restricted_to` what is left of it where only some of its
adapters exist. A block that defines no `run` can be written down, but not activated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol, Self, TypeVar

from generated.core.errors import UnsupportedCompositionError


State = TypeVar("State")


class Slot(Protocol[State]):
    """What a block needs of the place it runs in."""

    def run_adapter(self, name: str, state: State) -> State: ...


class AdapterCompositionBlock(Sequence):
    """A node of a setup. Children are adapter names or further blocks; options are what the block itself needs."""

    def __init__(self, *children: str | AdapterCompositionBlock, **options: Any) -> None:
        self.children = tuple(parse_child(child) for child in children)
        self.options = options

    def run(self, slot: Slot[State], state: State) -> State:
        raise UnsupportedCompositionError(f"{type(self).__name__} cannot be run: only {runnable_names()} can be")

    def restricted_to(self, held: Collection[str]) -> Self | None:
        """This block without the adapters that are not in `held`; `None` if nothing is left."""
        kept = [part for part in (_restrict(child, held) for child in self.children) if part is not None]
        return type(self)(*kept, **self.options) if kept else None

    @property
    def leaves(self) -> tuple[str, ...]:
        """All adapter names in the tree, in order."""
        leaves = ((child,) if isinstance(child, str) else child.leaves for child in self.children)
        return tuple(name for leaf in leaves for name in leaf)

    @property
    def names(self) -> tuple[str, ...]:
        """All adapter names in the tree, in order, each once."""
        return tuple(dict.fromkeys(self.leaves))

    def flatten(self) -> set[str]:
        return set(self.names)

    def first(self) -> str:
        child = self.children[0]
        return child if isinstance(child, str) else child.first()

    def last(self) -> str:
        child = self.children[-1]
        return child if isinstance(child, str) else child.last()

    def to_dict(self) -> dict[str, Any]:
        """The tree as plain data, as AdapterHub's `adapter_setup.json` stores it."""
        children = [_leaf_to_dict(child) if isinstance(child, str) else child.to_dict() for child in self.children]
        return {"type": type(self).__name__, "children": children, "kwargs": dict(self.options)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AdapterCompositionBlock | str:
        if data["type"] == "single":
            return data["children"][0]
        if data["type"] not in BLOCKS:
            raise UnsupportedCompositionError(f"unknown composition block {data['type']!r}; known: {sorted(BLOCKS)}")
        return BLOCKS[data["type"]](*map(cls.from_dict, data["children"]), **data.get("kwargs", {}))

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


class Stack(AdapterCompositionBlock):
    """Adapters one after the other (MAD-X, Pfeiffer et al., 2020)."""

    def run(self, slot: Slot[State], state: State) -> State:
        for child in self.children:
            state = slot.run_adapter(child, state) if isinstance(child, str) else child.run(slot, state)
        return state


class Fuse(AdapterCompositionBlock):
    """A learned mixture of adapters (AdapterFusion, Pfeiffer et al., 2021)."""


class Split(AdapterCompositionBlock):
    """Parts of the sequence to different adapters."""


class BatchSplit(AdapterCompositionBlock):
    """Parts of the batch to different adapters."""


class Parallel(AdapterCompositionBlock):
    """The whole batch once to each adapter (AdapterDrop, Rücklé et al., 2021)."""


class Average(AdapterCompositionBlock):
    """A weighted mean of the outputs of adapters."""


BLOCKS = {block.__name__: block for block in (Stack, Fuse, Split, BatchSplit, Parallel, Average)}

Setup = str | AdapterCompositionBlock | Sequence[Any]


def parse_child(child: Any) -> str | AdapterCompositionBlock:
    if isinstance(child, str | AdapterCompositionBlock):
        return child
    raise TypeError(f"a composition holds adapter names and blocks, not {type(child).__name__}: {child!r}")


def parse_composition(setup: Setup | None) -> AdapterCompositionBlock | None:
    """
    Read what a user may pass as a setup. A name means a Stack of one, a list a Stack, a list in a list a Fuse;
    `None` and the empty list mean that nothing is active.

    Raises:
        UnsupportedCompositionError: a block in the tree has no semantics here, or nothing in it.
    """
    if not setup:
        return None
    block = setup if isinstance(setup, AdapterCompositionBlock) else _from_sugar(setup)
    for node in _blocks_of(block):
        if not node.children:
            raise UnsupportedCompositionError(f"{block!r} has a block without adapters; leave it out")
        if type(node).run is AdapterCompositionBlock.run:
            raise UnsupportedCompositionError(
                f"{node!r} cannot be activated: {type(node).__name__} is not implemented; "
                f"use {runnable_names()}, or activate its adapters one at a time"
            )
    return block


def runnable_names() -> str:
    return ", ".join(name for name, block in BLOCKS.items() if block.run is not AdapterCompositionBlock.run)


def _from_sugar(setup: str | Sequence[Any]) -> Stack:
    if isinstance(setup, str):
        return Stack(setup)
    if isinstance(setup, Sequence):
        return Stack(*(Fuse(*child) if isinstance(child, list | tuple) else child for child in setup))
    raise TypeError(f"a setup is an adapter name, a composition block or a list of them, not {type(setup).__name__}")


def _restrict(child: str | AdapterCompositionBlock, held: Collection[str]) -> str | AdapterCompositionBlock | None:
    if isinstance(child, str):
        return child if child in held else None
    return child.restricted_to(held)


def _blocks_of(block: AdapterCompositionBlock) -> Iterator[AdapterCompositionBlock]:
    yield block
    for child in block.children:
        if isinstance(child, AdapterCompositionBlock):
            yield from _blocks_of(child)


def _leaf_to_dict(name: str) -> dict[str, Any]:
    return {"type": "single", "children": [name]}
