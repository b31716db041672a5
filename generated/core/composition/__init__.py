"""How do several adapters act together?

A setup is a tree: blocks inside, adapter names at the leaves. A place in the model (a slot) lets the tree run over
its own state:

    Stack("a", "b")           state → a → b → state
    Fuse("a", "b")            a learned mixture of what a and b make of the state
    Split, BatchSplit         parts of the sequence, or of the batch, to a and b each
    Parallel("a", "b")        the whole batch once to a and once to b
    Average("a", "b")         a weighted mean of what a and b make of the state
    Route, MultiTask          each example to the adapter that the call of the model names for it

A block is one class in `blocks`: `run` says what it computes, in terms of what every state can do (`base`).
"""

from generated.core.composition.base import AdapterCompositionBlock, Setup, Slot, State
from generated.core.composition.blocks import (
    Average,
    BatchSplit,
    Fuse,
    MultiTask,
    Parallel,
    Route,
    Split,
    Stack,
)
from generated.core.composition.parsing import (
    parallel_channels,
    parse_composition,
    routing_block,
    validate_composition,
)


__all__ = [
    "AdapterCompositionBlock",
    "Average",
    "BatchSplit",
    "Fuse",
    "MultiTask",
    "Parallel",
    "Route",
    "Setup",
    "Slot",
    "Split",
    "Stack",
    "State",
    "parallel_channels",
    "parse_composition",
    "routing_block",
    "validate_composition",
]
