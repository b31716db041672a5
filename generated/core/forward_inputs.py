"""What do slots need to know of the call of the model that they run in?

Most need nothing. A `Parallel` wants the batch to be repeated, a `Route` wants to know where each example goes, and
who asks for gating scores wants them collected. One object on the base model holds this for the time of a call: the
outermost model that is called opens it, slots read it. Nothing is kept per thread: calls that need it wait for one
another, so that a model runs one of them at a time.

Recomputation under gradient checkpointing comes when the call is over, see `checkpointing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from threading import RLock
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import Cache
from transformers.utils import ModelOutput

from generated.core.composition import AdapterCompositionBlock, Route, parallel_channels, routing_block
from generated.core.errors import UnsupportedCompositionError
from generated.core.layers.routing import Destinations, Routing
from generated.core.records import AdapterRecords


@dataclass
class Generation:
    """What the calls of one generation share: the length of what it goes on from, which its first call gets."""

    prompt_length: int | None = None


class CallValues(NamedTuple):
    """
    What is known of a call; the model's own arguments by their names.

    Args:
        is_below_head: a head reads what the running model gives.
        past_length: number of tokens that are in the cache.
        examples: number of rows of the batch.
    """

    is_open: bool = False
    is_below_head: bool = False
    is_repeated: bool = False
    destinations: Destinations | None = None
    attention_mask: Tensor | None = None
    decoder_attention_mask: Tensor | None = None
    is_causal: bool | None = None
    past_length: int | Tensor = 0
    examples: int | None = None
    generation: Generation | None = None
    records: AdapterRecords | None = None

    @property
    def prompt_length(self) -> int | None:
        return None if self.generation is None else self.generation.prompt_length

    def with_prompt(self, length: int, attention_mask: Tensor | None) -> CallValues:
        """What layers are told of a call whose input gets a prompt of this length, which the mask covers."""
        known = self.prompt_length
        generation = self.generation if known is None else Generation(known + length)
        return self._replace(attention_mask=attention_mask, generation=generation)


ROUTING_ARGUMENTS = ("adapter_ids", "adapter_names", "task_ids")
OWN_ARGUMENTS = (
    *ROUTING_ARGUMENTS,
    "adapter_input_parallelized",
    "output_adapter_gating_scores",
    "output_adapter_fusion_attentions",
)
READ_ARGUMENTS = frozenset((*OWN_ARGUMENTS, "is_causal"))


class ForwardInputs:
    """
    What slots read of a call, and the arguments that are meant for them.

    Args:
        is_needed: does the active setup read anything here? If not, a call leaves no trace.
        channels: how often the batch is repeated.
        route: the block that tells which argument says where an example goes.
    """

    def __init__(self) -> None:
        self.call = CallValues()
        self.is_needed = False
        self.channels = 1
        self.route: Route | None = None
        self.turn = RLock()

    def __getstate__(self) -> dict[str, Any]:
        """Copies have their own turns."""
        return {name: value for name, value in vars(self).items() if name != "turn"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, turn=RLock())

    def prepare_for(self, setup: AdapterCompositionBlock | None, is_read_by_slots: bool) -> None:
        """Called when a setup is activated; `is_read_by_slots` if one of its slots reads values of the call."""
        self.channels = parallel_channels(setup)
        self.route = routing_block(setup)
        self.is_needed = is_read_by_slots or self.channels > 1 or self.route is not None

    def concerns(self, kwargs: Mapping[str, Any]) -> bool:
        """Has a call with these arguments anything to do with this object?"""
        return self.is_needed or self.call.is_open or not READ_ARGUMENTS.isdisjoint(kwargs)

    def run(
        self,
        forward: Callable[..., Any],
        args: tuple,
        kwargs: dict[str, Any],
        *,
        repeats: bool,
        is_head: bool,
        names: Sequence[str] = (),
    ) -> Any:
        """
        Call a model.

        Args:
            forward: the call of the model, without the arguments that are meant for adapters.
            repeats: this is the model at whose entry the batch is repeated.
            is_head: it is one with a head.
            names: of the arguments in `args`.
        """
        with nullcontext() if torch.compiler.is_compiling() else self.turn:
            outer = self.call
            own = self.take_own(kwargs)
            self.call = self._opened(own, named_arguments(names, args, kwargs), is_head)
            try:
                if repeats and self.channels > 1 and not self.call.is_repeated:
                    args, kwargs = repeat_batch(args, kwargs, self.channels)
                    repeated = {"adapter_input_parallelized": True}
                    self.call = self._opened(repeated, named_arguments(names, args, kwargs), is_head)
                output = forward(*args, **kwargs)
                records = self.call.records
            finally:
                self.call = outer
        return output if records is None or outer.is_open else records.appended_to(output)

    @contextmanager
    def generating(self, kwargs: dict[str, Any]) -> Iterator[None]:
        """For the calls of a generation, which starts with a batch that is repeated already."""
        with self.turn:
            outer = self.call
            own = self.take_own(kwargs)
            opened = self._opened(own, kwargs)
            destinations = None if opened.destinations is None else replace(opened.destinations, is_kept=True)
            self.call = opened._replace(
                is_open=False, is_repeated=True, destinations=destinations, generation=Generation()
            )
            try:
                yield
            finally:
                self.call = outer

    @contextmanager
    def reading(self, kwargs: Mapping[str, Any]) -> Iterator[None]:
        """For a part of the model that is called by itself with these arguments of the model."""
        with self.turn:
            outer = self.call
            self.call = outer._replace(attention_mask=kwargs.get("attention_mask"))
            try:
                yield
            finally:
                self.call = outer

    def within(self, call: CallValues, function: Callable[..., Any], *args: Any) -> Any:
        """Run a part of a model with the values of `call`, unless a call is running."""
        if self.call.is_open:
            return function(*args)
        outer, self.call = self.call, call._replace(records=None)
        try:
            return function(*args)
        finally:
            self.call = outer

    def routing(self, block: Route, size: int) -> Routing:
        """
        Which children of `block` each of `size` rows goes to.

        Raises:
            UnsupportedCompositionError: the call did not say it, or for another number of examples.
        """
        destinations = self.call.destinations
        if destinations is None:
            raise UnsupportedCompositionError(f"{block!r} is active: pass {block.arguments[0]}, one for each example")
        return destinations.of(size)

    @staticmethod
    def take_own(kwargs: dict[str, Any]) -> dict[str, Any]:
        """Remove the arguments that are meant for adapters."""
        return {name: kwargs.pop(name) for name in OWN_ARGUMENTS if name in kwargs}

    def _opened(self, own: dict[str, Any], kwargs: dict[str, Any], is_head: bool = False) -> CallValues:
        call = self.call
        if call.generation is not None and not call.is_open and call.prompt_length is None:
            call.generation.prompt_length = _sequence_length(kwargs)
        wants_records = own.get("output_adapter_gating_scores") or own.get("output_adapter_fusion_attentions")
        destinations = self._destinations(own)
        return CallValues(
            is_open=True,
            is_below_head=call.is_below_head or is_head,
            is_repeated=call.is_repeated or bool(own.get("adapter_input_parallelized")),
            destinations=destinations or call.destinations,
            attention_mask=kwargs.get("attention_mask", call.attention_mask),
            decoder_attention_mask=kwargs.get("decoder_attention_mask", call.decoder_attention_mask),
            is_causal=kwargs.get("is_causal", call.is_causal),
            past_length=_past_length(kwargs.get("past_key_values"), call.past_length),
            examples=batch_size(kwargs),
            generation=call.generation,
            records=AdapterRecords(own) if wants_records else call.records,
        )

    def _destinations(self, own: dict[str, Any]) -> Destinations | None:
        given = {name: own[name] for name in ROUTING_ARGUMENTS if own.get(name) is not None}
        understood = () if self.route is None else self.route.arguments
        unused = given.keys() - set(understood)
        if unused:
            raise UnsupportedCompositionError(
                f"{', '.join(sorted(unused))} says where examples go, but no block that asks for it is active: "
                "activate a Route (adapter_ids, adapter_names) or a MultiTask (task_ids)"
            )
        return as_destinations(*given.popitem(), self.route) if given else None


def named_arguments(names: Sequence[str], args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by their names."""
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _sequence_length(arguments: Mapping[str, Any]) -> int | None:
    """The length of what the model is to go on from."""
    names = ("decoder_input_ids", "decoder_inputs_embeds", "input_ids", "inputs_embeds")
    given = (arguments.get(name) for name in names)
    return next((tensor.shape[1] for tensor in given if tensor is not None), None)


def _past_length(cache: Any, known: int | Tensor) -> int | Tensor:
    """A cache of fixed size counts in a tensor, and goes on counting in it."""
    if not isinstance(cache, Cache):
        return known
    length = cache.get_seq_length()
    return length.clone() if isinstance(length, Tensor) else length


def as_destinations(argument: str, given: Tensor | Sequence[int | str | None], route: Route) -> Destinations:
    """
    What an argument says of the children of `route`.

    Raises:
        UnsupportedCompositionError: a name is not in it.
    """
    if isinstance(given, Tensor):
        return Destinations(given, len(route), argument)
    labels = route.labels
    unknown = {name for name in given if isinstance(name, str) and name not in labels}
    if unknown:
        raise UnsupportedCompositionError(
            f"{route!r} has no {', '.join(sorted(unknown))}; it has: {', '.join(filter(None, labels))}"
        )
    positions = {name: position for position, name in enumerate(labels)} | {None: -1}
    ids = [positions[one] if one is None or isinstance(one, str) else one for one in given]
    return Destinations(torch.tensor(ids), len(route), argument)


def batch_size(arguments: Mapping[Any, Any]) -> int | None:
    """The length of the first tensor that is over the batch."""
    named = (value for name, value in arguments.items() if name != "position_ids")
    return next((value.shape[0] for value in named if isinstance(value, Tensor) and value.dim()), None)


def repeat_batch(args: tuple, kwargs: dict[str, Any], times: int) -> tuple[tuple, dict[str, Any]]:
    """
    All tensors over the batch, `times` one after the other. The batch is that of the first tensor.

    Raises:
        UnsupportedCompositionError: the mask has another number of examples: each has several rows, or none.
    """
    size = batch_size({**dict(enumerate(args)), **kwargs})
    mask = kwargs.get("attention_mask")
    if isinstance(mask, Tensor) and mask.dim() == 2 and mask.shape[0] != size:
        raise UnsupportedCompositionError(
            f"the input has {size} rows, and the attention mask {mask.shape[0]}: it is not clear what an example is"
        )

    def repeated(value: Any) -> Any:
        if isinstance(value, Tensor) and value.dim() > 0 and value.shape[0] == size:
            return value.repeat(times, *(1,) * (value.dim() - 1))
        if isinstance(value, ModelOutput):
            return type(value)(**{name: repeated(item) for name, item in value.items()})
        return tuple(map(repeated, value)) if type(value) is tuple else value

    return repeated(args), {name: repeated(value) for name, value in kwargs.items()}
