"""Which rows of what the base model returns does each of several active heads read?

["a", "b"]                                   both read all rows
BatchSplit("a", "b", batch_sizes=[2, 1])     a reads the first two examples, b the third
Parallel("a", "b")                           a reads what the first of two parallel adapters made of the batch,
                                             b what the second made of it
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.utils import ModelOutput

from generated.core.composition import AdapterCompositionBlock, BatchSplit, Parallel, Stack
from generated.core.heads.errors import HeadNumberError


HeadSetup = tuple[str, ...] | BatchSplit | Parallel


@dataclass(frozen=True)
class Share:
    """Part `position` of every tensor whose first dimension `block` divides."""

    block: BatchSplit | Parallel
    position: int

    def bounds(self, size: int) -> tuple[int, int]:
        """First of `size` rows, and the one after the last."""
        lengths = self.block.lengths(size)
        start = sum(lengths[: self.position])
        return start, start + lengths[self.position]

    def of(self, value: Any) -> Any:
        """The part of a tensor, or of each of the tensors in a tuple; anything else is returned whole."""
        if isinstance(value, torch.Tensor) and value.dim() > 0:
            start, end = self.bounds(value.size(0))
            return value[start:end]
        return tuple(map(self.of, value)) if type(value) is tuple else value

    def of_outputs(self, outputs: ModelOutput) -> ModelOutput:
        """The part of all tensors that the base model returned. A cache is for the whole batch, and stays whole."""
        return type(outputs)(**{name: self.of(value) for name, value in outputs.items()})

    def put_back(self, part: torch.Tensor, size: int) -> torch.Tensor:
        """`size` rows, zero but for this part."""
        start, end = self.bounds(size)
        whole = part.new_zeros(size, *part.shape[1:])
        return torch.cat([whole[:start], part, whole[end:]])


def shares(setup: HeadSetup, channels: int) -> list[Share | None]:
    """For each active head the part that it reads, or `None` for all.

    Args:
        channels: how often the batch was repeated for parallel adapters; 1 if there are none.

    Raises:
        HeadNumberError: not one head for each of the parallel adapters.
    """
    if channels == 1 and not isinstance(setup, AdapterCompositionBlock):
        return [None] * len(setup)
    if isinstance(setup, BatchSplit) and channels == 1:
        return [Share(setup, position) for position in range(len(setup))]
    if isinstance(setup, BatchSplit) or len(setup) != channels:
        adapters = f"{channels} parallel adapters are" if channels > 1 else "no parallel adapters are"
        raise HeadNumberError(
            f"{adapters} active, and the active heads are {setup!r}: set active_head to a list with one head for each "
            "adapter. A head may be in it several times"
        )
    return [Share(Parallel(*setup), position) for position in range(channels)]


def parse_heads_from_composition(
    adapter_composition: AdapterCompositionBlock | str | None, reference_heads: Collection[str] | None = None
) -> str | list[str] | BatchSplit | None:
    """The heads that go with a setup of adapters, under the assumption that they are called like the adapters.

    A `Stack` is read off its last element. Adapters that are mixed have no head of their own.

    Args:
        reference_heads: the heads that there are; by default any.

    Returns:
        What `active_head` takes; `None` if the setup has no heads, or not all of them exist.
    """
    block = adapter_composition
    while isinstance(block, Stack) and block.children:
        block = block.children[-1]
    found: str | list[str] | BatchSplit | None = None
    if isinstance(block, str):
        found = block
    elif isinstance(block, Parallel):
        found = _ends(block)
    elif isinstance(block, BatchSplit):
        found = BatchSplit(*_ends(block), batch_sizes=block.options["batch_sizes"])
    if found is None or reference_heads is None:
        return found
    names = (found,) if isinstance(found, str) else found
    return found if all(name in reference_heads for name in names) else None


def head_setup(heads: str | Sequence[str] | BatchSplit | Parallel | None) -> HeadSetup:
    """What was assigned to `active_head` in one form.

    Raises:
        TypeError: something in it is no name.
    """
    if heads is None or isinstance(heads, str):
        return (heads,) if heads else ()
    setup = heads if isinstance(heads, BatchSplit | Parallel) else tuple(heads)
    nested = [name for name in setup if not isinstance(name, str)]
    if nested:
        raise TypeError(f"{nested[0]!r} is no name of a head: heads do not nest")
    return setup


def _ends(block: AdapterCompositionBlock) -> list[str]:
    return [child if isinstance(child, str) else child.last() for child in block]
