"""What does a model see? Pictures, films or patches, in each of the layouts that models want them in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from adaptergen.verify.inputs.call import BATCH, SIGHT, Call
from adaptergen.verify.inputs.patches import in_patches, packed, patch_layouts, patches
from adaptergen.verify.inputs.pixels import channels, has_pixels, name_of_pixels, size_of_picture
from adaptergen.verify.inputs.tiles import tile_layouts


Inputs = dict[str, Tensor]
SHARP = "high_res_pixel_values"
SIZES = (64, 32, 128, 224)  # where the configuration does not say


def image_layouts(call: Call) -> Iterator[Callable[[Call], Inputs]]:
    """Ways to bring pictures that the parameters of the forward allow, the likeliest first."""
    if not has_pixels(call):
        return
    yield from patch_layouts(call)
    known = size_of_picture(call)
    sizes = [known] if known else [(side, side) for side in SIZES]
    films, images = ([partial(layout, size=size) for size in sizes] for layout in (_films, _images))
    several = call.find("num_frames", near=SIGHT) is not None or name_of_pixels(call) == "pixel_values_videos"
    yield from (*films, *images) if several else (*images, *films)
    yield from tile_layouts(call, sizes)
    if call.takes("image_sizes"):  # some ways of reading pictures are told their sizes, others must not be
        yield from (partial(_without_sizes, layout) for layout in (*images, *films))
    yield packed
    yield from in_patches(call, patches)
    for side in SIZES if known else ():  # it may say the size of a part
        yield from (partial(_images, size=(side, side)), partial(_films, size=(side, side)))


def _without_sizes(layout: Callable[[Call], Inputs], call: Call) -> Inputs:
    return {name: value for name, value in layout(call).items() if name != "image_sizes"}


def _images(call: Call, size: tuple[int, int]) -> Inputs:
    """(batch, channels, height, width)"""
    inputs = {name_of_pixels(call): call.normal(BATCH, channels(call), *size)}
    if call.takes(SHARP):
        inputs[SHARP] = call.normal(BATCH, channels(call), *(size_of_picture(call, near=("high_res",)) or size))
    return inputs | _extent(call, (BATCH,), size)


def _films(call: Call, size: tuple[int, int]) -> Inputs:
    """(batch, frames, channels, height, width): a film, several pictures or the parts of one"""
    frames = call.number("num_frames", "frames_per_clip", "fps", default=2, near=SIGHT)
    inputs = {name_of_pixels(call): call.normal(BATCH, frames, channels(call), *size)}
    return inputs | _extent(call, (BATCH, frames), size)


def _extent(call: Call, batch: tuple[int, ...], size: tuple[int, int]) -> Inputs:
    """Which of the pixels are picture, for models that ask."""
    inputs: Inputs = {}
    for name in ("pixel_mask", "pixel_attention_mask"):
        if call.takes(name):
            inputs[name] = torch.ones(*batch, *size, dtype=torch.long)
    if call.takes("image_sizes"):
        inputs["image_sizes"] = torch.tensor([size] * math.prod(batch))
    return inputs
