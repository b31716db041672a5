"""In which layout does a model want its inputs? Where its forward leaves a choice, the model is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain

from msgspec import Struct
from msgspec.structs import replace
from torch import Tensor
from transformers import PreTrainedModel

from adaptergen.verify.inputs.call import BATCH, LENGTH, SOURCE_LENGTH, Call
from adaptergen.verify.inputs.decoding import cross_attends
from adaptergen.verify.inputs.features import count_features
from adaptergen.verify.inputs.images import image_layouts
from adaptergen.verify.inputs.sounds import sound_layouts, with_boolean_masks
from adaptergen.verify.inputs.text import Tokens, token_layouts


Bring = Callable[[Call], dict[str, Tensor]]
Perceived = tuple[Bring, Mapping[str, int]]  # and how many features are made of it, by their kind


def _nothing(call: Call) -> dict[str, Tensor]:
    return {}


def _as_they_are(tokens: Tensor) -> Tensor:
    return tokens


class Layout(Struct, frozen=True):
    """
    How a model is called.

    Args:
        image: brings pictures.
        sound: brings sounds.
        placeholders: how many positions of each text stand for a picture or a sound.
        masked: it can be told which parts of a sound are padding.
        tokens: makes of (batch, length) what the model wants.
        examples: how many it takes at once: a batch, or the last of it alone.
        source_length: how many states of an encoder a decoder on its own gets.
    """

    image: Bring = _nothing
    sound: Bring = _nothing
    placeholders: Mapping[str, int] = {}
    masked: bool = True
    tokens: Tokens = _as_they_are
    examples: int = BATCH
    source_length: int = SOURCE_LENGTH

    @property
    def ties_lengths(self) -> bool:
        """Must a decoder read as many states of an encoder as it has words?"""
        return self.source_length == LENGTH


def layouts(model: PreTrainedModel) -> Iterator[Layout]:
    """All that may be right, the likeliest first."""
    yield from _layouts(model)
    if cross_attends(Call(model)):
        yield from (replace(layout, source_length=LENGTH) for layout in _layouts(model))


def _layouts(model: PreTrainedModel) -> Iterator[Layout]:
    call = Call(model)
    known: list[Perceived] = []
    with_booleans = (partial(with_boolean_masks, bring) for bring in sound_layouts(call))
    sounds = _perceived(model, chain(sound_layouts(call), with_booleans))
    for image, seen in _perceived(model, image_layouts(call)):
        for sound, heard in _once_more(known, sounds):
            for tokens in token_layouts(call):
                yield from _together(image, sound, {**seen, **heard}, tokens)


def _together(image: Bring, sound: Bring, counts: Mapping[str, int], tokens: Tokens) -> Iterator[Layout]:
    """With masks of either kind, and without."""
    yield Layout(image, sound, counts, tokens=tokens)
    if sound is not _nothing:
        yield Layout(image, partial(with_boolean_masks, sound), counts, tokens=tokens)
        yield Layout(image, sound, counts, False, tokens)


def _perceived(model: PreTrainedModel, ways: Iterable[Bring]) -> Iterator[Perceived]:
    """What the model makes features of, if it tells, with how many these are; at last, nothing."""
    for bring in (*ways, _nothing):
        try:
            yield bring, count_features(Call(model), bring(Call(model)))
        except Exception:  # whatever upstream raises: this is not what it wants
            continue


def _once_more(known: list[Perceived], others: Iterator[Perceived]) -> Iterator[Perceived]:
    """Those that were found before, and then the others, which are found only when they are asked for."""
    yield from known
    for each in others:
        known.append(each)
        yield each
