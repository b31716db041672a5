"""What do all adapters of a linear map share that add a low-rank product to it? And DoRA's lengths on top.

    y = W x + s B A x                          LoRA and its relatives: they differ in what A and B are made of
    y = m ∘ (W x + b + s B A x) / ‖W + B A‖    the same with DoRA as in AdapterHub; the norm is that of each row
    y = b + m ∘ (W x + s B A x) / ‖W + s B A‖  and as it was published

A fused map (queries, keys and values in one) has one pair A, B for each part that is adapted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generated.core.configuration import LoRAConfig
from generated.core.errors import AdapterConfigError
from generated.core.layers.linear import Gate
from generated.core.layers.lora.projection import FusedParts
from generated.core.layers.routing import Routing


class Unadapted(NamedTuple):
    """What DoRA has to know of the map it adapts: the output for this input, W, (out, in), and b."""

    output: Tensor
    weight: Tensor
    bias: Tensor | None


class RowLengths(nn.Module):
    """m of DoRA, (rows, 1)."""

    def __init__(self, rows: int, parts: FusedParts) -> None:
        super().__init__()
        self.parts = parts
        self.weight = nn.Parameter(torch.ones(rows, 1))

    def forward(self, norm: Tensor) -> Tensor:
        """How much longer than `norm`, (parts, width), the rows are to be; the same shape."""
        return self.parts.apart(self.weight.squeeze(-1)) / norm


class LowRankChange(nn.Module):
    """
    Adds s B A to a projection from `in_features` to `out_features` (of all its parts together).

    Subclasses hold the parameters, and say by `factors` what A and B are.
    """

    neutral = 0.0

    def __init__(self, in_features: int, out_features: int, parts: FusedParts, config: LoRAConfig) -> None:
        super().__init__()
        self.parts = parts
        self.in_features = in_features
        self.rows, self.width = parts.rows(out_features), parts.width(out_features)
        self.r = config.r
        self.scaling = config.alpha / config.r
        self.lora_dropout = nn.Dropout(config.dropout)
        self.gate = build_gate(in_features, parts, config)
        self.m = RowLengths(self.rows, parts) if config.use_dora else None
        self.is_published_dora = bool(config.dora_as_published)

    def factors(self) -> tuple[Tensor, Tensor]:
        """A, (parts, r, in), and B, (parts, width, r)."""
        raise NotImplementedError

    def matrices(self) -> tuple[Tensor, Tensor]:
        """The same of all parts together, if these are equally wide: (parts · r, in) and (parts · width, r)."""
        a, b = self.factors()
        return a.flatten(0, 1), b.flatten(0, 1)

    @property
    def reads_weight(self) -> bool:
        return self.m is not None

    @property
    def acts_alone(self) -> bool:
        """Can `forward` take `onto`? It must do nothing but add, to channels that lie side by side."""
        return self.gate is None and self.m is None and self.parts.are_side_by_side

    def forward(
        self,
        layer_input: Tensor,
        *,
        change: Tensor | None = None,
        gate: Tensor | None = None,
        unadapted: Unadapted | None = None,
        onto: Tensor | None = None,
    ) -> Tensor:
        """
        The scaled change of the projection's output, (..., length, out).

        Args:
            layer_input: the projection's input, which A reads,
            change: unless the adapter before this one made a change: then A reads that.
            gate: takes the place of the scaling, (..., 1, parts).
            unadapted: the map itself, if this module `reads_weight`.
            onto: the projection's output. The result is that with the change, instead of the change; without
                gradients, it may be the same tensor.
        """
        if onto is not None:
            return self._added(onto, layer_input)
        a, b = self.factors()
        x = layer_input if change is None else change
        reduced = F.linear(self._dropped(x.to(a.dtype)), a.flatten(0, 1))
        if self.parts.count == 1:
            product = F.linear(reduced, b[0]).unsqueeze(-2)
        else:
            product = torch.einsum("...pr,por->...po", reduced.unflatten(-1, (self.parts.count, self.r)), b)
        added = self.parts.spread(product * (self.scaling if gate is None else gate.unsqueeze(-1)), fill=0.0)
        return added if unadapted is None else self._lengthened(unadapted, added)

    def _added(self, output: Tensor, layer_input: Tensor) -> Tensor:
        """output + s B A x, in one step for each part, if all of it is of one type."""
        a, b = self.matrices()
        if layer_input.dtype == output.dtype == a.dtype == b.dtype:
            reduced = F.linear(self._dropped(layer_input).reshape(-1, self.in_features), a)
            if reduced.dtype == output.dtype:  # unless autocast sees to that
                return self.parts.with_products(output, reduced, b, self.scaling)
        return self.apply_to(output, self.forward(layer_input))

    def _dropped(self, x: Tensor) -> Tensor:
        return self.lora_dropout(x) if self.training else x

    def can_be_stacked_with(self, other: nn.Module) -> bool:
        """Do the two differ in nothing but what A and B are?"""
        if not isinstance(other, LowRankChange):
            return False
        is_plain = self.gate is None and self.m is None and other.gate is None and other.m is None
        return is_plain and self.parts == other.parts and self.lora_dropout.p == other.lora_dropout.p

    def routed(
        self, others: Sequence[LowRankChange], routing: Routing, layer_input: Tensor, change: Tensor | None
    ) -> Tensor:
        """
        The change where each row has the A and B of one of `others`, which can be stacked with this one.

        Args:
            routing: which of `others` each row goes to.
            layer_input, change: see `forward`.
        """
        a, b = (routing.pick(factors) for factors in zip(*(other.factors() for other in others), strict=True))
        x = layer_input if change is None else change
        reduced = torch.einsum("b...i,bpri->b...pr", self._dropped(x.to(a.dtype)), a)
        product = torch.einsum("b...pr,bpor->b...po", reduced, b)
        scaling = routing.factor([other.scaling for other in others], product)
        return self.parts.spread(product * scaling, fill=0.0)

    def routed_onto(
        self, output: Tensor, others: Callable[[], Sequence[LowRankChange]], routing: Routing, x: Tensor
    ) -> Tensor:
        """
        output + the change of each row, for parts which are side by side.

        Args:
            output: (batch, ..., out). Without gradients, it is changed in its place.
            others: tells which they are; a generation asks once.
            x: the projection's input, (batch, ..., in).
        """
        a, b = routing.once(self, lambda: self._stacked(others(), routing))
        if not x.dtype == output.dtype == a.dtype or torch.is_autocast_enabled(x.device.type):
            return self.apply_to(output, self.routed(others(), routing, x, None))
        reduced = torch.bmm(self._dropped(x).flatten(1, -2), a.mT)
        return self.parts.with_products(output, reduced, b)

    def _stacked(self, others: Sequence[LowRankChange], routing: Routing) -> tuple[Tensor, Tensor]:
        """A, (batch, parts · r, in), and s B, (batch, parts · width, r), for each row."""
        if self.parts.count == 1:  # matrices as they are stored take less time than factors
            a, b = (routing.pick(pair) for pair in zip(*(other.matrices() for other in others), strict=True))
        else:
            factors = zip(*(other.factors() for other in others), strict=True)
            a, b = (routing.pick(pair).flatten(1, 2) for pair in factors)
        b = b * routing.factor([other.scaling for other in others], b)
        return a, b if routing.kept is None else b.mT.contiguous().mT  # as products of single tokens read it

    def apply_to(self, output: Tensor, change: Tensor) -> Tensor:
        return output + change.to(output.dtype)

    def folded(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The weight, (out, in), and the bias of a map that gives the adapted output by itself."""
        changed = weight + self.scaling * self._spread_delta()
        if self.m is None:
            return changed, bias
        factors = self._lengthening(weight)
        scaled_bias = bias if bias is None or self.is_published_dora else bias * factors
        return changed * factors.unsqueeze(-1), scaled_bias

    def delta(self) -> Tensor:
        """B A, (parts, width, in)."""
        a, b = self.factors()
        return b @ a

    def measure(self, weight: Tensor) -> None:
        """Start DoRA with the lengths that the rows of the weight have."""
        with torch.no_grad():
            lengths = self.parts.select(weight).float().norm(dim=-1)
            self.m.weight.copy_(self.parts.together(lengths, self.rows).unsqueeze(-1))

    def published_lengths(self, weight: Tensor) -> Tensor:
        """Which lengths of the rows, (out,), DoRA as it was published has in the place of this one."""
        return self._lengthening(weight) * (weight + self.scaling * self._spread_delta()).norm(dim=-1)

    def _lengthened(self, unadapted: Unadapted, added: Tensor) -> Tensor:
        """The change where DoRA gives the rows of W and of what is added their lengths."""
        output, weight, bias = unadapted
        factors = self._lengthening(weight).to(output.dtype)
        moved = output - bias if self.is_published_dora and bias is not None else output
        return moved * (factors - 1) + added.to(output.dtype) * factors

    def _lengthening(self, weight: Tensor) -> Tensor:
        """By how much the rows grow or shrink to the learned lengths, (out,)."""
        delta = self.scaling * self.delta() if self.is_published_dora else self.delta()
        norm = torch.linalg.vector_norm(self.parts.select(weight).to(delta.dtype) + delta, dim=-1)
        if self.is_published_dora:
            norm = norm.detach()
        norm = norm.clamp_min(torch.finfo(norm.dtype).tiny)  # rows of zeros, as pruning leaves them, stay zeros
        return self.parts.spread(self.m(norm), fill=1.0)

    def _spread_delta(self) -> Tensor:
        """B A of all parts, (out, in)."""
        return self.parts.spread(self.delta().permute(2, 0, 1), fill=0.0).T


def build_gate(in_features: int, parts: FusedParts, config: LoRAConfig) -> Gate | None:
    if not config.use_gating:
        return None
    gate = Gate(in_features, parts.count)
    nn.init.normal_(gate.weight, std=0.02)
    return gate


def initialize_factors(a: Tensor, b: Tensor, scheme: str) -> None:
    """
    Draw the first values of A and B.

    Raises:
        AdapterConfigError: there is no such scheme.
    """
    if scheme == "lora":
        nn.init.kaiming_uniform_(a, a=math.sqrt(5))
        nn.init.zeros_(b)
    elif scheme == "vera":
        nn.init.kaiming_uniform_(a)
        nn.init.kaiming_uniform_(b)
    else:
        initialize_alike(a, scheme)
        initialize_alike(b, scheme)


def initialize_alike(values: Tensor, scheme: str) -> None:
    """The schemes that draw everything in the same way."""
    if scheme == "bert":
        nn.init.normal_(values, std=0.02)
    elif scheme == "ia3":
        nn.init.ones_(values)
    else:
        raise AdapterConfigError(f"unknown init_weights {scheme!r}; known: lora, bert, ia3, vera")
