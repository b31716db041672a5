"""How is a setup written, and what does the whole of it ask of the model?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from generated.core.composition.base import AdapterCompositionBlock, Setup
from generated.core.composition.blocks import BatchSplit, Fuse, Parallel, Route, Stack
from generated.core.errors import UnsupportedCompositionError


def parse_composition(setup: Setup | None) -> AdapterCompositionBlock | None:
    """
    Read what a user may pass as a setup. A name means a Stack of one, a list a Stack, a list in a list a Fuse;
    `None` and the empty list mean that nothing is active.

    Raises:
        UnsupportedCompositionError: the blocks in it contradict each other, or one is empty.
    """
    if not setup:
        return None
    block = setup if isinstance(setup, AdapterCompositionBlock) else _from_sugar(setup)
    nodes = list(block.blocks)
    if not all(node.children for node in nodes):
        raise UnsupportedCompositionError(f"{block!r} has a block without adapters; leave it out")
    parallel = [node for node in nodes if isinstance(node, Parallel)]
    if len({len(node.children) for node in parallel}) > 1:
        raise UnsupportedCompositionError(f"{block!r} repeats the batch for numbers of adapters that differ")
    routes = [node for node in nodes if isinstance(node, Route)]
    beside = [node for node in block if isinstance(node, BatchSplit | Route)]
    if parallel and (routes or (beside and isinstance(block, Stack))):
        raise UnsupportedCompositionError(
            f"{block!r} divides the batch next to a Parallel, which repeats it; put it inside of the Parallel, or "
            "activate one of them"
        )
    if len(routes) > 1:
        raise UnsupportedCompositionError(f"{block!r} routes examples more than once; one Route or MultiTask can act")
    return block


def validate_composition(setup: Setup | None, level: int = 0, model_type: str | None = None) -> None:
    """
    Raise what `parse_composition` raises. Whether a method and a model can run it shows when it is activated.

    Args:
        level, model_type: of no meaning here; code written for AdapterHub passes them.
    """
    parse_composition(setup)


def parallel_channels(setup: AdapterCompositionBlock | None) -> int:
    """How often the batch is repeated: once for each child of a Parallel."""
    nodes = setup.blocks if setup is not None else ()
    return max((len(node.children) for node in nodes if isinstance(node, Parallel)), default=1)


def routing_block(setup: AdapterCompositionBlock | None) -> Route | None:
    """The block of a setup that needs to be told where each example goes."""
    nodes = setup.blocks if setup is not None else ()
    return next((node for node in nodes if isinstance(node, Route)), None)


def _from_sugar(setup: str | Sequence[Any]) -> Stack:
    if isinstance(setup, str):
        return Stack(setup)
    if isinstance(setup, Sequence):
        return Stack(*(Fuse(*child) if isinstance(child, list | tuple) else child for child in setup))
    raise TypeError(f"a setup is an adapter name, a composition block or a list of them, not {type(setup).__name__}")
