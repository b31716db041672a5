"""How does each row of a batch get weights of its own? Those of adapters are stacked, and each row picks its own.

In a call without gradients these are the adapters that the batch needs: what it costs does not grow with those that
are loaded. Otherwise they are all adapters of the block, so that each has a gradient, and a compiled model needs one
graph for all routings. The same where ids are on an accelerator, which nothing waits for here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generated.core.errors import UnsupportedCompositionError


@dataclass(frozen=True, eq=False)
class Routing:
    """
    Where the rows of a batch go.

    Args:
        children: positions of those children of a block that are needed.
        index: (rows,), for each row a position in `children`, whatever it is where a row goes nowhere.
        goes: (rows,), False where a row goes nowhere; `None` if all go somewhere.
        is_in_order: `index` counts from zero, one row for each child.
        kept: what modules have stacked, for the next calls of a generation; `None` in a call by itself.
    """

    children: Sequence[int]
    index: Tensor
    goes: Tensor | None
    is_in_order: bool = False
    kept: dict[nn.Module, tuple[Tensor, ...]] | None = None

    def once(self, module: nn.Module, stack: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """What `module` stacks for this routing: once for all calls of a generation, which keeps to those weights."""
        if self.kept is None:
            return stack()
        if module not in self.kept:
            self.kept[module] = stack()
        return self.kept[module]

    def pick(self, tensors: Sequence[Tensor]) -> Tensor:
        """
        For each row the tensor that it is to use, (rows, …); where sizes differ, filled up with zeros at the end.

        Args:
            tensors: one for each of `children`, with the same number of dimensions.
        """
        sizes = {tensor.shape for tensor in tensors}
        if len(sizes) > 1:
            shape = [max(size) for size in zip(*sizes, strict=True)]
            tensors = [_filled_up(tensor, shape) for tensor in tensors]
        stacked = torch.stack(list(tensors))
        return stacked if self.is_in_order else stacked[self.index.to(stacked.device)]

    def factor(self, numbers: Sequence[float], like: Tensor) -> Tensor | float:
        """For `like`, (rows, …): the number of each row, (rows, 1, …), or of all; 0 where a row goes nowhere."""
        if self.goes is None and len(set(numbers)) == 1:
            return numbers[0]
        picked = like.new_tensor(numbers)[self.index.to(like.device)]
        picked = picked if self.goes is None else picked * self.goes.to(like.device)
        return picked.view(-1, *(1,) * (like.dim() - 1))

    def where(self, routed: Tensor, otherwise: Tensor) -> Tensor:
        """Rows that go to an adapter, and the others, both (rows, …)."""
        if self.goes is None:
            return routed
        return torch.where(self.goes.to(routed.device).view(-1, *(1,) * (routed.dim() - 1)), routed, otherwise)


@dataclass(frozen=True, eq=False)
class Destinations:
    """
    Which child of a block each example of a call goes to.

    Args:
        ids: (batch,), positions of children, negative for none.
        count: how many children there are.
        argument: of the call, which says this.
        is_kept: it is the same for all calls of a generation.
    """

    ids: Tensor
    count: int
    argument: str
    is_kept: bool = False
    _known: dict[tuple[int, bool], Routing] = field(default_factory=dict)

    def of(self, size: int) -> Routing:
        """
        Of so many rows; several rows of one example (beams, tokens made flat) follow one another.

        Raises:
            UnsupportedCompositionError: they are not the same number for each example, or there is no such child.
        """
        if torch.compiler.is_compiling():
            return self._of_all(size)
        key = size, torch.is_grad_enabled()
        if key not in self._known:
            is_at_hand = self.ids.device.type == "cpu" and not torch.is_grad_enabled()
            self._known[key] = self._of_needed(size) if is_at_hand else self._of_all(size)
        return self._known[key]

    def _of_all(self, size: int) -> Routing:
        ids = self._of_rows(size)
        return Routing(range(self.count), ids.clamp(min=0), ids >= 0)

    def _of_needed(self, size: int) -> Routing:
        ids = self._of_rows(size).tolist()
        children = sorted({number for number in ids if number >= 0}) or [0]
        if children[-1] >= self.count:
            raise UnsupportedCompositionError(
                f"{self.argument} names child {children[-1]} of a block that has {self.count}"
            )
        places = {child: place for place, child in enumerate(children)}
        index = torch.tensor([places.get(number, 0) for number in ids])
        goes = None if min(ids, default=0) >= 0 else torch.tensor([number >= 0 for number in ids])
        is_in_order = goes is None and ids == children
        return Routing(children, index, goes, is_in_order, kept={} if self.is_kept else None)

    def _of_rows(self, size: int) -> Tensor:
        rows, left = divmod(size, self.ids.shape[0])
        if left:
            raise UnsupportedCompositionError(
                f"{self.argument} is for {self.ids.shape[0]} examples, but there are {size}"
            )
        return self.ids if rows == 1 else self.ids.repeat_interleave(rows)


def _filled_up(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    missing = [wanted - size for size, wanted in zip(tensor.shape, shape, strict=True)]
    if not any(missing):
        return tensor
    return F.pad(tensor, [amount for size in reversed(missing) for amount in (0, size)])
