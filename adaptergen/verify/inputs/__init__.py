"""What can a model be called with? Valid random inputs, from the parameters of its forward and its configuration."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import chain
from typing import Any

import torch
from msgspec.structs import replace
from torch import Tensor
from transformers import PreTrainedModel

from adaptergen.verify.inputs.call import BATCH, CHOICES, LENGTH, PADDING, Call, parameters
from adaptergen.verify.inputs.decoding import CROSS_STATES, source, states
from adaptergen.verify.inputs.features import counts_told, few_of_each
from adaptergen.verify.inputs.layout import Layout, layouts
from adaptergen.verify.inputs.marks import boxes, entities, example, marks, regions, tasks
from adaptergen.verify.inputs.pixels import PIXELS
from adaptergen.verify.inputs.series import game, series
from adaptergen.verify.inputs.sounds import SOUNDS, without_masks
from adaptergen.verify.inputs.text import PLACEHOLDERS, placeholder, retrieved, text, token_of


__all__ = [
    "CHOICES",
    "CROSS_STATES",
    "LENGTH",
    "PADDING",
    "Layout",
    "are_whole",
    "batch",
    "layout_of",
    "parameters",
    "placeholders",
    "prompts",
    "words",
]


PERCEIVED = (PIXELS, SOUNDS)
STATES = ("last_hidden_state", "encoder_last_hidden_state", "logits")


def batch(
    model: PreTrainedModel, *, padded: bool, choices: bool = False, layout: Layout | None = None
) -> dict[str, Tensor]:
    """
    A batch of two, or of as many as the layout says.

    Args:
        padded: the second example ends in padding.
        choices: texts are (batch, choices, length), as multiple-choice models want them.
        layout: how the model wants it, if that is known.
    """
    return _batch(Call(model, padded, choices), layout or layout_of(model))


def layout_of(model: PreTrainedModel) -> Layout:
    """
    The first layout that a model takes and makes several positions of; else the first that it takes, if need be with
    one example only.
    """
    known = layouts(model)
    first, second = next(known, Layout()), next(known, None)
    if second is None:
        return first
    short: Layout | None = None
    for each in chain((first, second), known):
        taken, output = _taken(model, each)
        if taken is not None and _is_fit(output):
            return taken
        short = short or taken
    return short or _of_one_example(model) or first


def _of_one_example(model: PreTrainedModel) -> Layout | None:
    """The first layout that is taken with one example, for models that know no batches."""
    alone = (replace(layout, examples=1) for layout in layouts(model))
    return next((each for each in alone if not isinstance(_answer(model, each), Exception)), None)


def _is_fit(output: Any) -> bool:
    """Are there several positions, among which attention can choose, and numbers at all of them?"""
    named = output if isinstance(output, Mapping) else {}
    states = [named[name] for name in STATES if isinstance(named.get(name), Tensor)]
    return not any((each.dim() == 3 and each.shape[1] == 1) or bool(each.isnan().any()) for each in states)


def _taken(model: PreTrainedModel, layout: Layout) -> tuple[Layout | None, Any]:
    """The layout, with as many places for features as the model asks for, if it is taken; and the answer to it."""
    answer = _answer(model, layout)
    if not isinstance(answer, Exception):
        return layout, answer
    asked = counts_told(answer, layout.placeholders) or _asked(model, layout)
    other = replace(layout, placeholders=asked)
    answer = _answer(model, other) if asked else answer
    return (None if isinstance(answer, Exception) else other), answer


def _asked(model: PreTrainedModel, layout: Layout) -> Mapping[str, int]:
    """How many places the model asks for when it gets a few, where it has no method that tells."""
    call = Call(model)
    few = few_of_each(call, layout.image(call) | layout.sound(call), layout.placeholders)
    answer = _answer(model, replace(layout, placeholders=few)) if few != layout.placeholders else None
    return counts_told(answer, few) if isinstance(answer, Exception) else {}


def _answer(model: PreTrainedModel, layout: Layout) -> Any:
    """What the model gives, or the exception with which it says that this is not what it wants."""
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return model(**_batch(Call(model, padded=True), layout))
    except Exception as refusal:
        return refusal


def _batch(call: Call, layout: Layout) -> dict[str, Tensor]:
    sound = layout.sound(call)
    inputs = layout.image(call) | (sound if layout.masked else without_masks(sound))
    for bring in (series, game, states, marks, boxes, regions, entities, tasks):
        inputs |= bring(call)
    inputs |= example(call, inputs)
    if call.takes("input_ids") and not call.takes("returns_to_go"):
        inputs |= text(call, layout.placeholders, tiled="aspect_ratio_ids" in inputs)
        if not call.takes("decoder_input_ids"):
            inputs["input_ids"] = layout.tokens(inputs["input_ids"])
        inputs |= source(call, layout.source_length) | retrieved(call)
    if call.takes("decoder_input_ids") and call.model.config.is_encoder_decoder:
        inputs |= _written(call, layout, inputs)
    return inputs if layout.examples == BATCH else {name: value[-1:] for name, value in inputs.items()}


def _written(call: Call, layout: Layout, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the decoder has read: the text of the encoder, or one of its own after pictures and sounds."""
    if "input_ids" in inputs:
        return {"decoder_input_ids": layout.tokens(inputs["input_ids"].clone())}
    own = text(call, {})
    return {
        "decoder_input_ids": layout.tokens(own["input_ids"]),
        "decoder_attention_mask": own["attention_mask"],
    }


def prompts(model: PreTrainedModel, layout: Layout | None = None) -> dict[str, Tensor]:
    """What to go on writing from: two texts, one of them padded, on the left unless an encoder reads it; or speech."""
    inputs = batch(model, padded=True, layout=layout)
    inputs = {name: value for name, value in inputs.items() if not name.startswith("decoder_")}
    if model.config.is_encoder_decoder or "input_ids" not in inputs:
        return inputs
    shape = inputs["input_ids"].shape
    return {name: value.flip(-1) if value.shape == shape else value for name, value in inputs.items()}


def placeholders(model: PreTrainedModel) -> list[int]:
    """
    Tokens that stand for pictures and sounds, or for nothing: a text that went on with one would lack what it stands
    for, or be read as shorter than it is.
    """
    tokens = (*(placeholder(Call(model), kind) for kind in PLACEHOLDERS), token_of(Call(model), "pad_token_id"))
    return [token for token in tokens if token is not None]


def are_whole(cls: type[PreTrainedModel], given: Collection[str]) -> bool:
    """Is there something to see and something to hear among them, if the forward of a model takes such?"""
    taken = parameters(cls)
    return all(any(name in given for name in kind) or not any(name in taken for name in kind) for kind in PERCEIVED)


def words(inputs: Mapping[str, Tensor]) -> tuple[str, Tensor]:
    """The argument that brings the text that is read, and the mask of its words."""
    prefix = "" if "input_ids" in inputs else "decoder_"
    return f"{prefix}input_ids", inputs[f"{prefix}attention_mask"]
