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


Bring = Callable[[Call], dict[str, Tensor]]


def _nothing(call: Call) -> dict[str, Tensor]:
    return {}


@dataclass(frozen=True)
class Layout:
    """
    How a model is called.

    Args:
        image: brings pictures.
        sound: brings sounds.
        placeholders: how many positions of each text stand for a picture or a sound.
        masked: it can be told which parts of a sound are padding.
    """

    image: Bring = _nothing
    sound: Bring = _nothing
    placeholders: Mapping[str, int] = field(default_factory=dict)
    masked: bool = True


def layouts(model: PreTrainedModel) -> Iterator[Layout]:
    """All that may be right, the likeliest first."""
    call = Call(model)
    for image, sound in product(_or_nothing(image_layouts(call)), _or_nothing(sound_layouts(call))):
        try:
            counts = count_features(Call(model), image(Call(model)) | sound(Call(model)))
        except Exception:  # whatever upstream raises: this is not what it wants
            continue
        yield Layout(image, sound, counts)
        if sound is not _nothing:
            yield Layout(image, sound, counts, masked=False)


def _or_nothing(ways: Iterator[Bring]) -> list[Bring]:
    return [*ways, _nothing]
