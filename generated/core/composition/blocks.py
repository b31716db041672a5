"""What does each block compute?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from generated.core.composition.base import (
    BATCH,
    SEQUENCE,
    AdapterCompositionBlock,
    AnyState,
    Slot,
    run_child,
)
from generated.core.errors import UnsupportedCompositionError


class Stack(AdapterCompositionBlock):
    """Adapters one after the other (MAD-X, Pfeiffer et al., 2020, https://arxiv.org/abs/2005.00052)."""

    nestings = ("Stack", "Fuse", "Split", "Parallel", "BatchSplit", "Average", "MultiTask", "Route")

    @property
    def only(self) -> str | None:
        if len(self) != 1:
            return None
        (child,) = self.children
        return child.only if isinstance(child, AdapterCompositionBlock) else child

    def run(self, slot: Slot[AnyState], state: AnyState, *, is_last: bool = True) -> AnyState:
        *inner, outermost = self.children
        for child in inner:
            state = run_child(child, slot, state, is_last=False)
        return run_child(outermost, slot, state, is_last=is_last)


class Fuse(AdapterCompositionBlock):
    """
    A learned mixture of adapters (AdapterFusion, Pfeiffer et al., 2021, https://arxiv.org/abs/2005.00247).

    Args:
        name: under which the weights of the mixture were added; by default the names of the children, with commas.
    """

    nestings = ("Stack",)

    def __init__(self, *children: str | AdapterCompositionBlock, name: str | None = None) -> None:
        super().__init__(*children)
        ends = (child if isinstance(child, str) else child.last() for child in self.children)
        self.options = {"name": name or ",".join(ends)}

    @property
    def name(self) -> str:
        return self.options["name"]

    def run(self, slot: Slot[AnyState], state: AnyState, *, is_last: bool = True) -> AnyState:
        if len(self.children) == 1:
            return run_child(self.children[0], slot, state, is_last=is_last)
        state = slot.fuse(self, state)
        return slot.finish(self.last(), state) if is_last else state


class DividingBlock(AdapterCompositionBlock, is_abstract=True):
    """A block that gives each child a part of one dimension, and puts the results together again."""

    keeps_gaps = True
    dim: int

    def lengths(self, size: int) -> Sequence[int]:
        """How many of the `size` rows or positions each child gets."""
        raise NotImplementedError

    def run(self, slot: Slot[AnyState], state: AnyState, *, is_last: bool = True) -> AnyState:
        parts, start = [], 0
        for child, length in zip(self.children, self.lengths(state.size(self.dim)), strict=True):
            part = state.narrow(self.dim, start, length)
            parts.append(run_child(child, slot, part, is_last=is_last))
            start += length
        return state.join(parts, self.dim)


class Split(DividingBlock):
    """
    Parts of the sequence to different adapters.

    Args:
        splits: number of positions of each child, or one number for all of them. The last may be `None`: the rest.
        split_index: with two children, where the second begins (as in AdapterHub 3.x, also as third argument).
    """

    nestings = ("Split", "Stack", "BatchSplit", "Average")
    dim = SEQUENCE

    def __init__(
        self,
        *children: str | AdapterCompositionBlock | int,
        splits: Sequence[int | None] | int | None = None,
        split_index: int | None = None,
    ) -> None:
        if children and isinstance(children[-1], int):
            *children, split_index = children
        super().__init__(*children)
        splits = [split_index, None] if split_index is not None else splits
        self.options = {"splits": _sizes(self, "splits", splits)}

    def lengths(self, size: int) -> Sequence[int]:
        *known, last = self.options["splits"]
        if last is None:
            last = max(size - sum(known), 0)
        if sum(known) + last != size:
            raise UnsupportedCompositionError(f"{self!r} splits {sum(known) + last} positions, but there are {size}")
        return (*known, last)


class BatchSplit(DividingBlock):
    """
    Parts of the batch to different adapters.

    Args:
        batch_sizes: number of examples of each child, or one number for all of them. Where the model holds several
            rows for each example (beams, tokens that were made flat), they go with their example.
    """

    nestings = ("Stack", "Split", "BatchSplit", "Average")
    dim = BATCH

    def __init__(
        self, *children: str | AdapterCompositionBlock, batch_sizes: Sequence[int] | int | None = None
    ) -> None:
        super().__init__(*children)
        self.options = {"batch_sizes": _sizes(self, "batch_sizes", batch_sizes)}

    def lengths(self, size: int) -> Sequence[int]:
        sizes = self.options["batch_sizes"]
        rows_of_one, left = divmod(size, sum(sizes))
        if left or not rows_of_one:
            raise UnsupportedCompositionError(f"{self!r} splits a batch of {sum(sizes)}, but there are {size} rows")
        return [rows_of_one * count for count in sizes]


class Parallel(DividingBlock):
    """
    The whole batch once to each adapter (AdapterDrop, Rücklé et al., 2021, https://arxiv.org/abs/2010.11918).

    The batch is repeated where it enters the model; outputs hold all examples of the first adapter, then all of the
    second, and so on.
    """

    nestings = ("Stack", "BatchSplit", "Average")
    dim = BATCH

    def lengths(self, size: int) -> Sequence[int]:
        rows, left = divmod(size, len(self.children))
        if left:
            raise UnsupportedCompositionError(f"{self!r} got {size} rows, which are not {len(self.children)} batches")
        return [rows] * len(self.children)


class Average(AdapterCompositionBlock):
    """
    A weighted mean of the outputs of adapters: Σ wᵢ hᵢ / n for n adapters, as AdapterHub computes it.

    Args:
        weights: one for each child; by default all alike.
        normalize_weights: divide them by their sum.

    Where a place holds one of the adapters only, that one acts alone.
    """

    nestings = ("Stack", "Split", "BatchSplit")
    keeps_gaps = True

    def __init__(
        self,
        *children: str | AdapterCompositionBlock,
        weights: Sequence[float] | None = None,
        normalize_weights: bool = True,
    ) -> None:
        super().__init__(*children)
        weights = [1.0] * len(self.children) if weights is None else [float(weight) for weight in weights]
        if len(weights) != len(self.children):
            raise UnsupportedCompositionError(
                f"{self!r} has {len(self.children)} adapters, but {len(weights)} weights"
            )
        if normalize_weights and sum(weights) == 0:
            raise UnsupportedCompositionError(f"the weights of {self!r} sum to 0, so they cannot be normalised")
        total = sum(weights) if normalize_weights else 1.0
        self.options = {"weights": [weight / total for weight in weights], "normalize_weights": normalize_weights}

    def run(self, slot: Slot[AnyState], state: AnyState, *, is_last: bool = True) -> AnyState:
        if len(self.present) == 1:
            return run_child(self.present[0], slot, state, is_last=is_last)
        parts = [run_child(child, slot, state, is_last=False) for child in self.present]
        state = state.mean(parts, self._weights_of_present())
        return slot.finish(self.last(), state) if is_last else state

    def _weights_of_present(self) -> list[float]:
        """Normalised weights stay normalised where some of the adapters are missing."""
        pairs = zip(self.children, self.options["weights"], strict=True)
        weights = [weight for child, weight in pairs if child is not None]
        total = sum(weights) if self.options["normalize_weights"] else 1.0
        return [weight / total for weight in weights] if total else weights


class Route(AdapterCompositionBlock):
    """
    Each example to the adapter that the call of the model names for it, or to none.

    The call says it by `adapter_ids`, a tensor (batch,) of positions of children in this block with -1 for none, or
    by `adapter_names`, a list of names with `None` for none.
    """

    nestings = ("Stack", "Average")
    keeps_gaps = True
    arguments: tuple[str, ...] = ("adapter_ids", "adapter_names")

    def run(self, slot: Slot[AnyState], state: AnyState, *, is_last: bool = True) -> AnyState:
        return slot.route(self, state, is_last=is_last)

    @property
    def labels(self) -> tuple[str | None, ...]:
        """What a call may name the children by: their names, or the last name in them."""
        return tuple(child.last() if isinstance(child, AdapterCompositionBlock) else child for child in self.children)


class MultiTask(Route):
    """
    Each example to the adapter of its task, which the call of the model names by `task_ids`: positions of children in
    this block, or names (MTL-LoRA, Yang et al., 2025, https://arxiv.org/abs/2410.09437).
    """

    nestings = ("Stack", "Average", "Fuse")
    arguments = ("task_ids",)


def _sizes(block: AdapterCompositionBlock, option: str, sizes: Any) -> list[int | None]:
    """One size for each child."""
    if isinstance(sizes, int):
        sizes = [sizes] * len(block.children)
    if sizes is None or len(sizes) != len(block.children):
        given = "no" if sizes is None else len(sizes)
        raise UnsupportedCompositionError(
            f"{block!r} has {len(block.children)} parts, but {given} {option}; give one number for each part"
        )
    return list(sizes)
