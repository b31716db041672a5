"""The place where adapters of a linear map act. The map keeps its class, its weight and the weight's name; only the
class of the instance is extended, and its output changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from generated.core.composition import (
    AdapterCompositionBlock,
    Average,
    BatchSplit,
    Parallel,
    Route,
    Split,
    Stack,
)
from generated.core.composition.base import BATCH
from generated.core.errors import SwapError, UnsupportedCompositionError
from generated.core.layers import states
from generated.core.layers.lora.change import LowRankChange, Unadapted
from generated.core.layers.lora.projection import bias_of, features, stored_as_matrix, stores_matrix
from generated.core.layers.lora.quantised import asked_matrix
from generated.core.layers.lora.rescaling import InputRescaling, Rescaling
from generated.core.layers.slot import AdapterHostMixin, AdapterModules, AdapterSlot


if TYPE_CHECKING:
    from generated.core.forward_inputs import ForwardInputs
    from generated.core.layers.routing import Routing


@dataclass(frozen=True)
class MergedAdapter:
    """An adapter that is part of the weights now, and what the weights were before."""

    name: str
    weight: Tensor
    bias: Tensor | None


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
    """A linear map with adapters of the LoRA family. Its own forward runs as it is; only its output is changed."""

    supported_blocks = (Stack, Split, BatchSplit, Parallel, Average, Route)
    kind = "LoRA"

    def _init_adapter_modules(self) -> None:
        self._init_slot()
        self.merged: MergedAdapter | None = None
        self.loras = AdapterModules()

    @property
    def container(self) -> AdapterModules:
        return self.loras

    def activate(self, setup: AdapterCompositionBlock | None, inputs: ForwardInputs | None = None) -> None:
        super().activate(setup, inputs)
        for block in self.active.blocks if self.active is not None else ():
            if isinstance(block, Stack | Average):
                self._check_chain([self.loras[name] for name in block.leaves], is_stack=isinstance(block, Stack))

    def rename(self, name: str, new_name: str) -> None:
        super().rename(name, new_name)
        if self.merged is not None and self.merged.name == name:
            self.merged = replace(self.merged, name=new_name)

    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if self.active is None:
            return output
        if self.alone is not None:
            return self.alone.module(input, onto=output)
        return self.run(LoRAState(input, output)).output

    def run_adapter(self, name: str, state: LoRAState) -> LoRAState:
        lora = self.loras[name]
        gate = None if lora.gate is None else lora.gate(state.layer_input)
        if gate is not None:
            self.record_gate(name, gate)
        if isinstance(lora, InputRescaling):
            return state._replace(change=self._without_bias(lora(state.layer_input)), neutral=lora.neutral)
        given = {"change": state.change, "gate": gate}
        if lora.reads_weight:
            given["unadapted"] = Unadapted(state.output, self.matrix(state.output), bias_of(self))
        return state._replace(change=lora(state.layer_input, **given), neutral=lora.neutral)

    def route(self, block: Route, state: LoRAState, *, is_last: bool) -> LoRAState:
        if not self.routes_alike:
            return super().route(block, state, is_last=is_last)
        routing = self.inputs.routing(block, state.size(BATCH))
        first = self.loras[block[routing.children[0]]]
        is_first = state.change is None and state.layer_input.dim() > 2
        if is_first and is_last and isinstance(first, LowRankChange) and first.acts_alone:
            needed = partial(self._needed, block, routing)
            return state._replace(output=first.routed_onto(state.output, needed, routing, state.layer_input))
        loras = self._needed(block, routing)
        change = loras[0].routed(loras, routing, state.layer_input, state.change)
        idle = torch.full_like(change, loras[0].neutral) if state.change is None else state.change
        state = state._replace(change=routing.where(change, idle), neutral=loras[0].neutral)
        return self.finish(block[0], state) if is_last else state

    def _needed(self, block: Route, routing: Routing) -> list[LowRankChange | Rescaling | InputRescaling]:
        return [self.loras[block[child]] for child in routing.children]

    def finish(self, name: str | None, state: LoRAState) -> LoRAState:
        if name is None or state.change is None:
            return state
        return state._replace(output=self.loras[name].apply_to(state.output, state.change), change=None)

    def _without_bias(self, x: Tensor) -> Tensor:
        output, bias = super().forward(x), bias_of(self)
        return output if bias is None else output - bias

    def matrix(self, like: Tensor) -> Tensor:
        """
        W of y = W x + b, (out, in). Where it is stored otherwise, the map is asked, on the device of `like`.

        Raises:
            SwapError: it is spread over processes.
        """
        if isinstance(getattr(self, "weight", None), DTensor):
            raise SwapError(
                "the weights of a projection are needed as a whole, but are sharded; do this before sharding"
            )
        if stores_matrix(self):
            return stored_as_matrix(self, self.weight)
        return asked_matrix(self, super().forward, like)

    def merge(self, name: str) -> None:
        """Let the weights take up an adapter. `unmerge` gives them back, bit by bit."""
        bias = bias_of(self)
        with torch.no_grad():
            weight, shift = self.loras[name].folded(self.matrix(self.weight), bias)
            self.merged = MergedAdapter(name, self.weight.clone(), None if bias is None else bias.clone())
            self.weight.copy_(stored_as_matrix(self, weight))
            if bias is not None:
                bias.copy_(shift)

    def unmerge(self) -> None:
        if self.merged is None:
            return
        with torch.no_grad():
            self.weight.copy_(self.merged.weight)
            if self.merged.bias is not None:
                self.bias.copy_(self.merged.bias)
        self.merged = None

    def _check_chain(self, loras: Sequence[LowRankChange | Rescaling | InputRescaling], *, is_stack: bool) -> None:
        """In a Stack each LoRA reads the change that the one before it made, so the widths must agree."""
        if len({lora.neutral for lora in loras}) > 1:
            raise UnsupportedCompositionError(f"{self.active!r} mixes LoRA and (IA)³ on one projection")
        if is_stack and len(loras) > 1 and any(isinstance(lora, InputRescaling) for lora in loras):
            raise UnsupportedCompositionError(f"{self.active!r}: factors of a projection's input cannot be stacked")
        in_features, out_features = features(self)
        if is_stack and len(loras) > 1 and isinstance(loras[0], LowRankChange) and in_features != out_features:
            raise UnsupportedCompositionError(
                f"{self.active!r}: a Stack of LoRA adapters needs projections as wide as their input, but one "
                f"of them maps {in_features} to {out_features}"
            )
