"""The place where bottleneck adapters act: one residual addition of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from generated.core.composition import (
    AdapterCompositionBlock,
    Average,
    BatchSplit,
    Fuse,
    Parallel,
    Route,
    Split,
    Stack,
)
from generated.core.composition.base import BATCH, run_child
from generated.core.errors import UnsupportedCompositionError
from generated.core.layers import states
from generated.core.layers.bottleneck import Norm, add_and_norm
from generated.core.layers.fusion import FusionModules
from generated.core.layers.slot import AdapterHostMixin, AdapterModules, AdapterSlot


if TYPE_CHECKING:
    from generated.core.forward_inputs import ForwardInputs


class BottleneckState(NamedTuple):
    """
    What a composition of bottleneck adapters works on: output of the sub-layer, its residual, the norm after both.

    `up` is what the last adapter added, which a fusion mixes; `plain` is the sub-layer's output without adapters.
    `is_inner` says that the norm takes what is added to the residual, not the sum.
    """

    hidden_states: Tensor
    residual: Tensor | None
    norm: Norm | None
    plain: Tensor
    up: Tensor | None = None
    is_inner: bool = False

    def add_to_residual(self, hidden_states: Tensor) -> Tensor:
        """What the layer itself does with the output of the sub-layer."""
        if self.is_inner:
            return add_and_norm(hidden_states, self.residual, None, self.norm)
        return add_and_norm(hidden_states, self.residual, self.norm)

    def narrow(self, dim: int, start: int, length: int) -> BottleneckState:
        parts = (
            states.narrow(tensor, dim, start, length) for tensor in (self.hidden_states, self.residual, self.plain)
        )
        hidden_states, residual, plain = parts
        return BottleneckState(hidden_states, residual, self.norm, plain, is_inner=self.is_inner)

    size = states.size_of_hidden
    join = states.join_hidden
    mean = states.mean_of_hidden
    choose = states.choose_hidden


class AdapterLayerMixin(AdapterHostMixin, AdapterSlot):
    """The bottleneck adapters of one residual addition."""

    supported_blocks = (Stack, Fuse, Split, BatchSplit, Parallel, Average, Route)
    kind = "bottleneck adapters"

    def _init_adapter_modules(self) -> None:
        self._init_slot()
        self.adapters = AdapterModules()
        self.adapter_fusion_layer = FusionModules()

    @property
    def container(self) -> AdapterModules:
        return self.adapters

    def activate(self, setup: AdapterCompositionBlock | None, inputs: ForwardInputs | None = None) -> None:
        super().activate(setup, inputs)
        for block in self.active.blocks if self.active is not None else ():
            if isinstance(block, Fuse) and len(block) > 1 and block.name not in self.adapter_fusion_layer:
                raise UnsupportedCompositionError(
                    f"{block!r}: the model has no fusion {block.name!r} yet; add it with add_adapter_fusion"
                )

    def adapter_layer_forward(
        self,
        hidden_states: Tensor,
        residual: Tensor | None,
        layer_norm: Norm | None = None,
        *,
        inner_norm: Norm | None = None,
        beside: tuple[AdapterLayerMixin, Tensor] | None = None,
    ) -> Tensor:
        """
        Take the place of `layer_norm(hidden_states + residual)`, or of `inner_norm(hidden_states) + residual`.

        Where two sub-layers start from the same hidden states, as in `attention + feed_forward + residual`, the
        adapters see them as if one came after the other.

        Args:
            hidden_states: output of the sub-layer, (batch, length, hidden).
            residual: what the layer adds to it, of the same shape, or `None`.
            layer_norm: the norm that follows the addition, or `None` in a pre-norm model.
            inner_norm: the norm between the sub-layer and the addition, if the model has one there.
            beside: the adapters and the output of a sub-layer that comes first, where the model adds both outputs
                before it adds the residual.
        """
        if beside is not None:
            adapters, output = beside
            if self.active is None and adapters.active is None:
                return add_and_norm(output + hidden_states, residual, layer_norm)  # rounded as in the model
            residual = adapters.adapter_layer_forward(output, residual)
        if self.active is None:
            return add_and_norm(hidden_states, residual, layer_norm, inner_norm)
        is_inner = inner_norm is not None
        norm = inner_norm if is_inner else layer_norm
        if self.alone is not None:
            adapter = self.alone.module
            block_input, skip = adapter.before(hidden_states, residual, norm)
            output = adapter(block_input, skip)[0].to(skip.dtype)
            return adapter.after(BottleneckState(output, residual, norm, plain=hidden_states, is_inner=is_inner))
        state = BottleneckState(hidden_states, residual, norm, plain=hidden_states, is_inner=is_inner)
        return self.run(state).hidden_states

    def run_adapter(self, name: str, state: BottleneckState) -> BottleneckState:
        adapter = self.adapters[name]
        block_input, skip = adapter.before(state.hidden_states, state.residual, state.norm)
        output, up, gate = adapter(block_input, skip)
        if gate is not None:
            self.record_gate(name, gate)
        return state._replace(hidden_states=output.to(skip.dtype), up=up)  # an adapter may have a type of its own

    def finish(self, name: str | None, state: BottleneckState) -> BottleneckState:
        finished = state.add_to_residual(state.hidden_states) if name is None else self.adapters[name].after(state)
        return state._replace(hidden_states=finished)

    def route(self, block: Route, state: BottleneckState, *, is_last: bool) -> BottleneckState:
        if not self.routes_alike or state.hidden_states.dim() != 3:
            return super().route(block, state, is_last=is_last)
        routing = self.inputs.routing(block, state.size(BATCH))
        adapters = [self.adapters[block[child]] for child in routing.children]
        block_input, skip = adapters[0].before(state.hidden_states, state.residual, state.norm)
        output = adapters[0].routed(adapters, routing, block_input, skip).to(skip.dtype)
        routed, plain = state._replace(hidden_states=output), state
        if is_last:
            routed, plain = self.finish(block[0], routed), self.finish(None, plain)
        return routed._replace(hidden_states=routing.where(routed.hidden_states, plain.hidden_states))

    def fuse(self, block: Fuse, state: BottleneckState) -> BottleneckState:
        fusion = self.adapter_fusion_layer[block.name]
        last = self.adapters[block.last()]
        block_input, skip = last.before(state.hidden_states, state.residual, state.norm)
        query = state.hidden_states if fusion.config.query_before_ln and not last.config.is_parallel else block_input
        parts = [run_child(child, self, state, is_last=False) for child in block.children]
        up = torch.stack([part.up for part in parts], dim=-2)
        mixed, attention = fusion(query, up, None if last.config.is_parallel else skip)
        if self.records is not None:
            self.records.add_fusion(block.name, self.adapters.place, attention)
        return state._replace(hidden_states=mixed, up=None)


class AdapterLayer(AdapterLayerMixin, nn.Module):
    """A slot as a module of its own, for hosts whose forward adds more than one residual."""

    def __init__(self) -> None:
        super().__init__()
        self._init_adapter_modules()
