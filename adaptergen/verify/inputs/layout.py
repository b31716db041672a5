"""In which layout does a model want its inputs? Where its forward leaves a choice, the model is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from torch import Tensor
from transformers import PreTrainedModel

from adaptergen.verify.inputs.call import Call
from adaptergen.verify.inputs.features import count_features
from adaptergen.verify.inputs.images import image_layouts
from adaptergen.verify.inputs.sounds import sound_layouts
from adaptergen.verify.inputs.text import token_layouts


Bring = Callable[[Call], dict[str, Tensor]]


def _nothing(call: Call) -> dict[str, Tensor]:
    return {}


def _as_they_are(tokens: Tensor) -> Tensor:
    return tokens


@dataclass(frozen=True)
class Layout:
    """
    How a model is called.

    Args:
        image: brings pictures.
        sound: brings sounds.
        placeholders: how many positions of each text stand for a picture or a sound.
        masked: it can be told which parts of a sound are padding.
        tokens: makes of (batch, length) what the model wants.
    """

    image: Bring = _nothing
    sound: Bring = _nothing
    placeholders: Mapping[str, int] = field(default_factory=dict)
    masked: bool = True
    tokens: Callable[[Tensor], Tensor] = _as_they_are


def layouts(model: PreTrainedModel) -> Iterator[Layout]:
    """All that may be right, the likeliest first."""
    call = Call(model)
    images, sounds = ([*ways(call), _nothing] for ways in (image_layouts, sound_layouts))
    for image, sound, tokens in product(images, sounds, token_layouts(call)):
        try:
            counts = count_features(Call(model), image(Call(model)) | sound(Call(model)))
        except Exception:  # whatever upstream raises: this is not what it wants
            continue
        yield Layout(image, sound, counts, tokens=tokens)
        if sound is not _nothing:
            yield Layout(image, sound, counts, False, tokens)
