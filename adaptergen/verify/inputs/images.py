"""What does a model see? Pictures, films or patches, in each of the layouts that models want them in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from adaptergen.verify.inputs.call import BATCH, SIGHT, Call


Inputs = dict[str, Tensor]
PIXELS = ("pixel_values", "image_pixel_values", "pixel_values_videos", "flattened_patches", "image")
GRIDS = {"pixel_values": "image_grid_thw", "pixel_values_videos": "video_grid_thw"}
SHARP = "high_res_pixel_values"
TILES = 4
SIZES = (64, 32, 128, 224)  # where the configuration does not say


def image_layouts(call: Call) -> Iterator[Callable[[Call], Inputs]]:
    """Ways to bring pictures that the parameters of the forward allow, the likeliest first."""
    name = call.first(*PIXELS)
    if name is None:
        return
    if call.takes(GRIDS.get(name, "")):
        yield from (*_in_patches(call, _packed), _packed_images)
    if call.takes("target_sizes"):
        yield _strips
    if call.takes("spatial_shapes", "image_position_ids") or name == "flattened_patches":
        yield from _in_patches(call, _patches)
    films, images = [*_sized(call, _films)], [*_sized(call, _images)]
    several = call.find("num_frames", near=SIGHT) is not None or name == "pixel_values_videos"
    yield from (*films, *images) if several else (*images, *films)
    if call.find("image_grid_pinpoints") is not None:
        yield from _sized(call, _tiles)
    if call.takes("aspect_ratio_ids"):
        yield from _sized(call, _tiles_of_several)
    if call.takes("image_sizes"):  # some ways of reading pictures are told their sizes, others must not be
        yield from (partial(_without_sizes, layout) for layout in (*images, *films))
    yield _packed
    yield from _in_patches(call, _patches)
    for size in SIZES if _size(call) else ():  # it may say the size of a part
        yield from (partial(_images, size=(size, size)), partial(_films, size=(size, size)))


def _in_patches(call: Call, layout: Callable[..., Inputs]) -> Iterator[Callable[[Call], Inputs]]:
    """With as many pixels of a patch as the configuration says, or as the first map of what sees takes."""
    yield layout
    paths = call.model.named_modules()
    seeing = (
        module for path, module in paths if any(word in path for word in SIGHT) and isinstance(module, nn.Linear)
    )
    first = next(seeing, None)
    if first is not None:
        yield partial(layout, pixels=first.in_features)


def _without_sizes(layout: Callable[[Call], Inputs], call: Call) -> Inputs:
    return {name: value for name, value in layout(call).items() if name != "image_sizes"}


def _sized(call: Call, layout: Callable[..., Inputs]) -> Iterator[Callable[[Call], Inputs]]:
    known = _size(call)
    for size in [known] if known else [(side, side) for side in SIZES]:
        yield partial(layout, size=size)


def _size(call: Call) -> tuple[int, int] | None:
    """Height and width, where the configuration says them."""
    size = call.find("image_size", "img_size", "input_size", "image_resolution", near=SIGHT)
    if isinstance(size, dict):
        size = (size["height"], size["width"])
    if isinstance(size, list | tuple) and len(size) >= 2:
        stacked = 2 if call.takes("prompt_pixel_values") else 1  # an example stands above the picture
        return int(size[-2]) // stacked, int(size[-1])
    if isinstance(size, list | tuple) and size:
        size = size[0]
    return (size, size) if isinstance(size, int) else None


def _channels(call: Call) -> int:
    return call.number("num_channels", "in_channels", "in_chans", "n_channels", default=3, near=SIGHT)


def _images(call: Call, size: tuple[int, int]) -> Inputs:
    """(batch, channels, height, width)"""
    inputs = {_name(call): call.normal(BATCH, _channels(call), *size)}
    if call.takes(SHARP):
        side = call.number("image_size", default=max(size), near=("high_res",))
        inputs[SHARP] = call.normal(BATCH, _channels(call), side, side)
    return inputs | _extent(call, (BATCH,), size)


def _films(call: Call, size: tuple[int, int]) -> Inputs:
    """(batch, frames, channels, height, width): a film, several pictures or the parts of one"""
    frames = call.number("num_frames", "frames_per_clip", "fps", default=2, near=SIGHT)
    inputs = {_name(call): call.normal(BATCH, frames, _channels(call), *size)}
    return inputs | _extent(call, (BATCH, frames), size)


def _tiles(call: Call, size: tuple[int, int]) -> Inputs:
    """(batch, tiles, channels, height, width): the whole picture, and two by two parts of it"""
    height, width = size
    return {
        _name(call): call.normal(BATCH, 1 + TILES, _channels(call), *size),
        "image_sizes": torch.tensor([(2 * height, 2 * width)] * BATCH),
    }


def _tiles_of_several(call: Call, size: tuple[int, int]) -> Inputs:
    """(batch, pictures, tiles, channels, height, width): one picture, the parts of which have an arrangement"""
    tiles = call.number("max_num_tiles", default=TILES, near=SIGHT)
    return {
        _name(call): call.normal(BATCH, 1, tiles, _channels(call), *size),
        "aspect_ratio_ids": torch.ones(BATCH, 1, dtype=torch.long),
        "aspect_ratio_mask": torch.ones(BATCH, 1, tiles, dtype=torch.long),
    }


def _extent(call: Call, batch: tuple[int, ...], size: tuple[int, int]) -> Inputs:
    """Which of the pixels are picture, for models that ask."""
    inputs: Inputs = {}
    for name in ("pixel_mask", "pixel_attention_mask"):
        if call.takes(name):
            inputs[name] = torch.ones(*batch, *size, dtype=torch.long)
    if call.takes("image_sizes"):
        inputs["image_sizes"] = torch.tensor([size] * math.prod(batch))
    return inputs


def _patch(call: Call) -> int:
    return call.number("patch_size", "patch_height", default=4, near=SIGHT)


def _merge(call: Call) -> int:
    """How many patches, in each direction, become one token."""
    return call.number("spatial_merge_size", "merge_size", "merge_kernel_size", default=2, near=SIGHT)


def _grid(call: Call) -> tuple[int, int, int]:
    """Patches of each picture: frames, rows and columns."""
    side = 2 * _merge(call)
    return 1, side, side


def _packed(call: Call, pixels: int = 0) -> Inputs:
    """(patches of all pictures, pixels of a patch)"""
    name, grid = _name(call), _grid(call)
    depth = call.number("temporal_patch_size", default=1, near=SIGHT)
    pixels = pixels or _channels(call) * depth * _patch(call) ** 2
    return {
        name: call.normal(BATCH * math.prod(grid), pixels),
        GRIDS.get(name, "image_grid_thw"): torch.tensor([grid] * BATCH),
    }


def _packed_images(call: Call) -> Inputs:
    """(patches of all pictures, channels, height, width)"""
    name, grid, patch = _name(call), _grid(call), _patch(call)
    return {
        name: call.normal(BATCH * math.prod(grid), _channels(call), patch, patch),
        GRIDS.get(name, "image_grid_thw"): torch.tensor([grid] * BATCH),
    }


def _strips(call: Call) -> Inputs:
    """(1, channels, height of a patch, all patches of all pictures one after the other)"""
    _, rows, columns = _grid(call)
    patch = _patch(call)
    return {
        _name(call): call.normal(1, _channels(call), patch, BATCH * rows * columns * patch),
        "target_sizes": torch.tensor([(rows, columns)] * BATCH),
    }


def _patches(call: Call, pixels: int = 0) -> Inputs:
    """(batch, patches, pixels of a patch)"""
    name, (_, rows, columns) = _name(call), _grid(call)
    if name == "flattened_patches":
        pixels = call.number("patch_embed_hidden_size", default=pixels, near=SIGHT)
    pixels = pixels or _channels(call) * _patch(call) ** 2
    places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
    inputs = {name: call.normal(BATCH, rows * columns, pixels)}
    if call.takes("spatial_shapes"):
        inputs["spatial_shapes"] = torch.tensor([(rows, columns)] * BATCH)
    if call.takes("pixel_attention_mask"):
        inputs["pixel_attention_mask"] = torch.ones(BATCH, rows * columns, dtype=torch.long)
    if call.takes("image_position_ids"):
        inputs["image_position_ids"] = places.flip(-1).expand(BATCH, -1, -1).clone()
    if name == "flattened_patches":
        numbered = (places + 1).float().expand(BATCH, -1, -1)
        inputs[name] = torch.cat([numbered, inputs[name]], dim=-1)
    return inputs


def _name(call: Call) -> str:
    name = call.first(*PIXELS)
    assert name is not None
    return name
