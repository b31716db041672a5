"""How does a picture come in several pieces, and which of them are there?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from adaptergen.verify.inputs.call import BATCH, SIGHT, Call
from adaptergen.verify.inputs.pixels import channels, name_of_pixels


Inputs = dict[str, Tensor]
TILES = 4


def tile_layouts(call: Call, sizes: list[tuple[int, int]]) -> Iterator[Callable[[Call], Inputs]]:
    """Those that parameters of the forward, or the configuration, speak of."""
    for size in sizes:
        if call.find("image_grid_pinpoints") is not None:
            yield partial(_tiles, size=size)
        if call.takes("aspect_ratio_ids"):
            yield partial(_arranged, size=size)
        if call.takes("pixel_attention_mask"):
            yield partial(_present, size=size)


def _tiles(call: Call, size: tuple[int, int]) -> Inputs:
    """(batch, tiles, channels, height, width): the whole picture, and two by two parts of it"""
    height, width = size
    return {
        name_of_pixels(call): call.normal(BATCH, 1 + TILES, channels(call), *size),
        "image_sizes": torch.tensor([(2 * height, 2 * width)] * BATCH),
    }


def _arranged(call: Call, size: tuple[int, int]) -> Inputs:
    """(batch, pictures, tiles, channels, height, width): one picture, the parts of which have an arrangement"""
    tiles = call.number("max_num_tiles", default=TILES, near=SIGHT)
    return {
        name_of_pixels(call): call.normal(BATCH, 1, tiles, channels(call), *size),
        "aspect_ratio_ids": torch.ones(BATCH, 1, dtype=torch.long),
        "aspect_ratio_mask": torch.ones(BATCH, 1, tiles, dtype=torch.long),
    }


def _present(call: Call, size: tuple[int, int]) -> Inputs:
    """(batch, tiles, channels, height, width), with a mask of whole tiles"""
    tiles = 2
    return {
        name_of_pixels(call): call.normal(BATCH, tiles, channels(call), *size),
        "pixel_attention_mask": torch.ones(BATCH, tiles, dtype=torch.bool),
    }
