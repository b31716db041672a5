"""LoRA and (IA)³ on a linear map: y = W x + s B A x, or y = (s b) ∘ W x.

The map keeps its class, its weight and the weight's name; only the class of the instance is extended. A fused map
(queries, keys and values in one) has one pair A, B for each part that is adapted, stacked in the order of the parts:

    lora_A: (parts · r, in)      lora_B: (parts · out / all parts, r)

Hu et al., 2022 (https://arxiv.org/abs/2106.09685); Liu et al., 2022 (https://arxiv.org/abs/2205.05638).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from generated.core.composition import (
    AdapterCompositionBlock,
    Average,
    BatchSplit,
    Parallel,
    Route,
    Split,
    Stack,
)
from generated.core.configuration import LoRAConfig
from generated.core.errors import AdapterConfigError, UnsupportedCompositionError
from generated.core.layers import states
from generated.core.layers.linear import Gate
from generated.core.layers.slot import AdapterHostMixin, AdapterModules, AdapterSlot


if TYPE_CHECKING:
    from generated.core.forward_inputs import ForwardInputs


@dataclass(frozen=True)
class FusedParts:
    """Which parts of a projection's output are adapted, e.g. (True, False, True) for queries and values."""

    adapted: tuple[bool, ...]

    @property
    def count(self) -> int:
        return sum(self.adapted)

    def spread(self, values: Tensor, fill: float) -> Tensor:
        """(..., adapted parts, width) → (..., all parts · width), with `fill` in the parts that are not adapted."""
        if all(self.adapted):
            return values.flatten(-2)
        given = iter(values.unbind(-2))
        blank = torch.full_like(values.select(-2, 0), fill)
        return torch.cat([next(given) if is_adapted else blank for is_adapted in self.adapted], dim=-1)


class LowRank(nn.Module):
    """B A of LoRA for a projection from `in_features` to `out_features` (of all its parts together)."""

    neutral = 0.0

    def __init__(self, in_features: int, out_features: int, parts: FusedParts, config: LoRAConfig) -> None:
        super().__init__()
        self.parts = parts
        self.width = out_features // len(parts.adapted)
        self.r = config.r
        self.scaling = config.alpha / config.r
        self.lora_A = nn.Parameter(torch.empty(parts.count * config.r, in_features))
        self.lora_B = nn.Parameter(torch.empty(parts.count * self.width, config.r))
        self.lora_dropout = nn.Dropout(config.dropout)
        self.gate = _gate(in_features, parts, config)
        self.reset_parameters(config.init_weights)

    def reset_parameters(self, scheme: str) -> None:
        if scheme == "lora":
            nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
            nn.init.zeros_(self.lora_B)
        else:
            _initialize((self.lora_A, self.lora_B), scheme)

    def forward(self, layer_input: Tensor, change: Tensor | None, gate: Tensor | None) -> Tensor:
        """
        The scaled change of the projection's output, (..., length, out).

        Args:
            layer_input: the projection's input, which A reads,
            change: unless the adapter before this one made a change: then A reads that.
            gate: takes the place of the scaling, (..., 1, parts).
        """
        x = layer_input if change is None else change
        reduced = self.lora_dropout(x.to(self.lora_A.dtype)) @ self.lora_A.T
        reduced = reduced.unflatten(-1, (self.parts.count, self.r))
        change = torch.einsum("...pr,por->...po", reduced, self.lora_B.unflatten(0, (self.parts.count, self.width)))
        scaling = self.scaling if gate is None else gate.unsqueeze(-1)
        return self.parts.spread(change * scaling, fill=0.0)

    def apply_to(self, output: Tensor, change: Tensor) -> Tensor:
        return output + change.to(output.dtype)


class Rescaling(nn.Module):
    """b of (IA)³: one factor for each output channel of the adapted parts."""

    neutral = 1.0

    def __init__(self, in_features: int, out_features: int, parts: FusedParts, config: LoRAConfig) -> None:
        super().__init__()
        if config.r != 1 or config.dropout:
            raise AdapterConfigError(
                f"composition_mode='scale' needs r=1 and no dropout, not r={config.r} and dropout={config.dropout}"
            )
        self.parts = parts
        self.scaling = config.alpha
        self.lora_B = nn.Parameter(torch.empty(parts.count * out_features // len(parts.adapted), 1))
        self.gate = _gate(in_features, parts, config)
        if config.init_weights == "lora":
            nn.init.zeros_(self.lora_B)
        else:
            _initialize((self.lora_B,), config.init_weights)

    def forward(self, layer_input: Tensor, change: Tensor | None, gate: Tensor | None) -> Tensor:
        """The factors, (..., 1 or length, out), times `change`, those of the adapter before this one."""
        factors = self.lora_B.unflatten(0, (self.parts.count, -1)).squeeze(-1)
        scaling = self.scaling if gate is None else gate.unsqueeze(-1)
        factors = self.parts.spread(factors * scaling, fill=1.0)
        return factors if change is None else change * factors

    def apply_to(self, output: Tensor, change: Tensor) -> Tensor:
        return output * change.to(output.dtype)


COMPOSITION_MODES = {"add": LowRank, "scale": Rescaling}


def build_lora(in_features: int, out_features: int, parts: FusedParts, config: LoRAConfig) -> LowRank | Rescaling:
    """
    The adapter module for one projection.

    Raises:
        AdapterConfigError: the configuration asks for a variant that is not known.
    """
    if config.composition_mode not in COMPOSITION_MODES:
        known = ", ".join(COMPOSITION_MODES)
        raise AdapterConfigError(f"unknown composition_mode {config.composition_mode!r}; known: {known}")
    if config.use_dora or config.vera_d is not None or config.vera_b is not None:
        raise AdapterConfigError("DoRA (use_dora) and VeRA (vera_d, vera_b) are not supported; use plain LoRA")
    return COMPOSITION_MODES[config.composition_mode](in_features, out_features, parts, config)


class LoRAState(NamedTuple):
    """
    What a composition of LoRA adapters works on: input and output of the projection, and the change so far.

    `neutral` is a change that does nothing: 0 where it is added, 1 where it is a factor.
    """

    layer_input: Tensor
    output: Tensor
    change: Tensor | None = None
    neutral: float = 0.0

    def size(self, dim: int) -> int:
        return self.layer_input.shape[dim]

    def narrow(self, dim: int, start: int, length: int) -> LoRAState:
        change = None if self.change is None else self.change.expand_as(self.output)
        tensors = (states.narrow(tensor, dim, start, length) for tensor in (self.layer_input, self.output, change))
        return LoRAState(*tensors, self.neutral)

    def join(self, parts: Sequence[LoRAState], dim: int) -> LoRAState:
        return self._combined(parts, partial(torch.cat, dim=dim))

    def mean(self, parts: Sequence[LoRAState], weights: Sequence[float]) -> LoRAState:
        return parts[-1]._replace(change=states.mean([part.change for part in parts], weights))

    def choose(self, parts: Sequence[LoRAState], rows: Tensor) -> LoRAState:
        return self._combined(parts, partial(states.choose, rows=rows))

    def _combined(self, parts: Sequence[LoRAState], how: Callable[[list[Tensor]], Tensor]) -> LoRAState:
        output = how([part.output for part in parts])
        speaking = next((part for part in parts if part.change is not None), None)
        if speaking is None:
            return self._replace(output=output)
        changes = [
            torch.full_like(part.output, speaking.neutral)
            if part.change is None
            else part.change.expand_as(part.output)
            for part in parts
        ]
        return self._replace(output=output, change=how(changes), neutral=speaking.neutral)


class LoRALinearMixin(AdapterHostMixin, AdapterSlot):
    """A linear map with LoRA or (IA)³ adapters. Its own forward runs as it is; only its output is changed."""

    supported_blocks = (Stack, Split, BatchSplit, Parallel, Average, Route)
    kind = "LoRA"

    def _init_adapter_modules(self) -> None:
        self.active = self.inputs = None
        self.loras = AdapterModules()

    @property
    def container(self) -> AdapterModules:
        return self.loras

    def activate(self, setup: AdapterCompositionBlock | None, inputs: ForwardInputs | None = None) -> None:
        super().activate(setup, inputs)
        for block in self.active.blocks if self.active is not None else ():
            if isinstance(block, Stack | Average):
                self._check_chain([self.loras[name] for name in block.leaves], is_stack=isinstance(block, Stack))

    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if self.active is None:
            return output
        return self.active.run(self, LoRAState(input, output)).output

    def run_adapter(self, name: str, state: LoRAState) -> LoRAState:
        lora = self.loras[name]
        gate = None if lora.gate is None else lora.gate(state.layer_input)
        if gate is not None:
            self.record_gate(name, gate)
        return state._replace(change=lora(state.layer_input, state.change, gate), neutral=lora.neutral)

    def finish(self, name: str | None, state: LoRAState) -> LoRAState:
        if name is None or state.change is None:
            return state
        return state._replace(output=self.loras[name].apply_to(state.output, state.change), change=None)

    def _check_chain(self, loras: Sequence[LowRank | Rescaling], *, is_stack: bool) -> None:
        """In a Stack each LoRA reads the change that the one before it made, so the widths must agree."""
        if len({type(lora) for lora in loras}) > 1:
            raise UnsupportedCompositionError(f"{self.active!r} mixes LoRA and (IA)³ on one projection")
        in_features, out_features = features(self)
        if is_stack and len(loras) > 1 and isinstance(loras[0], LowRank) and in_features != out_features:
            raise UnsupportedCompositionError(
                f"{self.active!r}: a Stack of LoRA adapters needs projections as wide as their input, but one "
                f"of them maps {in_features} to {out_features}"
            )


def features(linear: nn.Module) -> tuple[int, int]:
    """Input and output width of anything that works as a linear map: also quantised ones, and Conv1D of GPT-2."""
    if hasattr(linear, "in_features"):
        return linear.in_features, linear.out_features
    return linear.nx, linear.nf


def _gate(in_features: int, parts: FusedParts, config: LoRAConfig) -> Gate | None:
    if not config.use_gating:
        return None
    gate = Gate(in_features, parts.count)
    nn.init.normal_(gate.weight, std=0.02)
    return gate


def _initialize(parameters: Sequence[nn.Parameter], scheme: str) -> None:
    if scheme not in ("bert", "ia3"):
        raise AdapterConfigError(f"unknown init_weights {scheme!r}; known: lora, bert, ia3")
    for parameter in parameters:
        if scheme == "bert":
            nn.init.normal_(parameter, std=0.02)
        else:
            nn.init.ones_(parameter)
