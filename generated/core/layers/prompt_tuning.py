"""Prompt tuning: trained embeddings in front of those of the input (Lester et al., 2021).

https://arxiv.org/abs/2104.08691

A model with an active prompt sees a longer input: embeddings get the prompt, and the mask room for it. A cache holds
the prompt, too, so that only the first call behind an empty cache adds it. Heads see the positions of the input alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers.utils import ModelOutput

from generated.core.composition import AdapterCompositionBlock, BatchSplit, Parallel, Stack
from generated.core.configuration import PromptTuningConfig
from generated.core.errors import UnsupportedCompositionError, UnsupportedMethodError
from generated.core.forward_inputs import named_arguments
from generated.core.layers import states
from generated.core.layers.channels import expect_channels
from generated.core.layers.prompt_room import PromptRoom
from generated.core.layers.slot import AdapterModules, AdapterSlot


if TYPE_CHECKING:
    from generated.core.forward_inputs import ForwardInputs


EMBEDDING_MASK = "mask"  # of the input alone, as DeBERTa's embeddings take it


class PromptTuning(nn.Module):
    """The prompt of one adapter."""

    def __init__(self, size: int, config: PromptTuningConfig) -> None:
        super().__init__()
        self.follows_bos = config.combine == "prefix_after_bos"
        self.prompt_embedding = nn.Embedding(config.prompt_length, size)
        nn.init.uniform_(self.prompt_embedding.weight, -config.random_uniform_scale, config.random_uniform_scale)

    @property
    def length(self) -> int:
        return self.prompt_embedding.num_embeddings

    @property
    def size(self) -> int:
        return self.prompt_embedding.embedding_dim

    def forward(self, device: torch.device) -> Tensor:
        """(prompt length, size)"""
        return self.prompt_embedding(torch.arange(self.length, device=device))


class PromptState(NamedTuple):
    """What a composition of prompts works on: the prompt of each row so far, (batch, length, size)."""

    prompt: Tensor

    def size(self, dim: int) -> int:
        return self.prompt.shape[dim]

    def narrow(self, dim: int, start: int, length: int) -> PromptState:
        return PromptState(states.narrow(self.prompt, dim, start, length))

    def join(self, parts: Sequence[PromptState], dim: int) -> PromptState:
        return PromptState(torch.cat([part.prompt for part in parts], dim))


class PromptTuningLayer(AdapterSlot, nn.Module):
    """
    The prompts of a model.

    Args:
        is_hooked: prompts join what leaves the embedding module, by a hook there. Else they join the embeddings of
            the words, which the model is then given instead of the words.
        needs_mask: the embedding module looks at the mask.
        argument_names: those of the model that makes room for prompts.
        handle: that of the first hook. Read from a pickle, it keeps hooks to come from taking the number of this one.
    """

    handle: RemovableHandle | None = None
    supported_blocks = (Stack, BatchSplit, Parallel)
    always_reads_inputs = True
    kind = "prompt tuning"

    def __init__(self, argument_names: tuple[str, ...], *, is_hooked: bool, needs_mask: bool) -> None:
        super().__init__()
        self.argument_names, self.is_hooked, self.needs_mask = argument_names, is_hooked, needs_mask
        self.room: PromptRoom | None = None
        self.prompt_tunings = AdapterModules()

    @property
    def container(self) -> AdapterModules:
        return self.prompt_tunings

    def activate(self, setup: AdapterCompositionBlock | None, inputs: ForwardInputs | None = None) -> None:
        """
        Raises:
            UnsupportedCompositionError: rows would get prompts of different lengths, or at different places.
        """
        super().activate(setup, inputs)
        self.room = None if self.active is None else self._room(self.active)

    def forward(self, embedded: Tensor) -> Tensor:
        """
        (batch, length, size) → (batch, length + prompt, size)

        Raises:
            UnsupportedMethodError: embeddings are in rows and columns, or of another width than the prompt.
        """
        if embedded.dim() != 3:
            raise UnsupportedMethodError(
                "a prompt joins rows of embeddings, not those of pictures as rows and columns"
            )
        expect_channels(embedded, next(iter(self.prompt_tunings.values())).size, "a prompt")
        prompt = self.active.run(self, PromptState(embedded[:, :0])).prompt
        return self.room.insert(embedded, prompt)

    def run_adapter(self, name: str, state: PromptState) -> PromptState:
        """Prompts of a stack follow one another."""
        prompt = self.prompt_tunings[name](state.prompt.device).to(state.prompt)
        return PromptState(torch.cat([state.prompt, prompt.expand(state.size(0), -1, -1)], dim=1))

    def restore_mask(self, module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple | None:
        """A forward pre-hook: embeddings that look at the mask, too, see that of the input alone."""
        mask = kwargs.get(EMBEDDING_MASK)
        if self.active is None or mask is None:
            return None
        return args, {**kwargs, EMBEDDING_MASK: self.room.remove(mask)}

    def adapt_output(self, module: nn.Module, args: tuple, output: Any) -> Any:
        """A forward hook: the embeddings are the output, or its first item."""
        if self.active is None:
            return output
        if isinstance(output, tuple):
            return (self(output[0]), *output[1:])
        return self(output)

    def make_room(self, model: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        """
        A forward pre-hook: the call of a model with room for the active prompt.

        Raises:
            UnsupportedMethodError: the mask, or the cache, has a fixed shape.
        """
        if self.active is None:
            return None
        inputs, call = self.inputs, self.inputs.call
        arguments = named_arguments(self.argument_names, args, kwargs)
        changed = self.room.masked(self._with_mask(arguments) if self.needs_mask else arguments)
        if not self.is_hooked:
            changed = self.room.moved(changed, is_first=self._is_first)
            changed = self._embedded(changed, model.get_input_embeddings()) if self._is_first else changed
        inputs.call = call.with_prompt(self.room.length, changed.get("attention_mask"))
        return (), changed

    def clear_room(self, model: nn.Module, args: tuple, output: Any) -> Any:
        """A forward hook: a head gets the output for the input alone."""
        if self.active is None or not self.inputs.call.is_below_head or not self._is_first:
            return output
        return _for_head(output, self.room)

    @property
    def _is_first(self) -> bool:
        """Is the prompt not in the cache yet?"""
        return self.is_hooked or self.inputs.call.past_length == 0

    @staticmethod
    def _with_mask(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """A model that makes a missing mask by itself would not think of the prompt."""
        words, embedded = arguments.get("input_ids"), arguments.get("inputs_embeds")
        if arguments.get("attention_mask") is not None or (words is None and embedded is None):
            return arguments
        given = embedded[..., 0] if words is None else words
        return {**arguments, "attention_mask": torch.ones_like(given, dtype=torch.long)}

    def _embedded(self, arguments: Mapping[str, Any], embed: nn.Module) -> dict[str, Any]:
        embedded = arguments.get("inputs_embeds")
        if embedded is None:
            embedded = embed(arguments["input_ids"])
        return {**arguments, "input_ids": None, "inputs_embeds": self(embedded)}

    def _room(self, setup: AdapterCompositionBlock) -> PromptRoom:
        places = {self.prompt_tunings[name].follows_bos for name in setup.names}
        if len(places) > 1:
            raise UnsupportedCompositionError(f"{setup!r} has prompts in front of the first position and behind it")
        return PromptRoom(self._length(setup), places.pop())

    def _length(self, setup: AdapterCompositionBlock | str | None) -> int:
        if setup is None:
            return 0
        if isinstance(setup, str):
            return self.prompt_tunings[setup].length
        lengths = [self._length(child) for child in setup]
        if isinstance(setup, Stack):
            return sum(lengths)
        if len(set(lengths)) > 1:
            raise UnsupportedCompositionError(f"all rows of {setup!r} need prompts of one length, not {lengths}")
        return lengths[0]


def _for_head(output: Any, room: PromptRoom) -> Any:
    """The output of a base model without the positions of the prompt."""
    if isinstance(output, tuple) and not isinstance(output, ModelOutput):
        return (room.remove(output[0]), *output[1:])
    output["last_hidden_state"] = room.remove(output["last_hidden_state"])
    if output.get("hidden_states") is not None:
        output["hidden_states"] = tuple(
            state if state is None else room.remove(state) for state in output["hidden_states"]
        )
    return output
