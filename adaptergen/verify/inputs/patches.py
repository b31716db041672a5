"""How does a picture come in patches, and what says where they are?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from adaptergen.verify.inputs.call import BATCH, SIGHT, Call
from adaptergen.verify.inputs.pixels import channels, name_of_pixels, size_of_picture


Inputs = dict[str, Tensor]
GRIDS = {"pixel_values": "image_grid_thw", "pixel_values_videos": "video_grid_thw"}
SEVERAL = "images_per_sample"  # pictures of an example: the last is still to be made, only its grid is known
POOLED = "image_token_pooling"
PLACES = ("image_position_ids", "pixel_position_ids")  # column and row of each patch


def patch_layouts(call: Call) -> Iterator[Callable[[Call], Inputs]]:
    """Those that parameters of the forward speak of."""
    name = name_of_pixels(call)
    if call.takes(GRIDS.get(name, "")):
        yield from (*in_patches(call, packed), _packed_images, _packed_words, _padded)
    if call.takes("target_sizes"):
        yield _strips
    if call.takes(POOLED):
        yield _pooled
    if call.takes("spatial_shapes", *PLACES) or name == "flattened_patches":
        yield from in_patches(call, patches)


def in_patches(call: Call, layout: Callable[..., Inputs]) -> Iterator[Callable[[Call], Inputs]]:
    """With as many pixels of a patch as the configuration says, or as the first map of what sees takes."""
    yield layout
    paths = call.model.named_modules()
    seeing = (
        module for path, module in paths if any(word in path for word in SIGHT) and isinstance(module, nn.Linear)
    )
    first = next(seeing, None)
    if first is not None:
        yield partial(layout, pixels=first.in_features)


def packed(call: Call, pixels: int = 0) -> Inputs:
    """(patches of all pictures, pixels of a patch)"""
    depth = call.number("temporal_patch_size", default=1, near=SIGHT)
    pixels = pixels or channels(call) * depth * _patch(call) ** 2
    grid = _grid(call)
    return {name_of_pixels(call): call.normal(BATCH * math.prod(grid), pixels)} | _grids(call, grid)


def patches(call: Call, pixels: int = 0) -> Inputs:
    """(batch, patches, pixels of a patch)"""
    name, (_, rows, columns) = name_of_pixels(call), _grid(call)
    if name == "flattened_patches":
        pixels = call.number("patch_embed_hidden_size", default=pixels, near=SIGHT)
    pixels = pixels or channels(call) * _patch(call) ** 2
    places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
    inputs = {name: call.normal(BATCH, rows * columns, pixels)}
    if call.takes("spatial_shapes"):
        inputs["spatial_shapes"] = torch.tensor([(rows, columns)] * BATCH)
    if call.takes("pixel_attention_mask"):
        inputs["pixel_attention_mask"] = torch.ones(BATCH, rows * columns, dtype=torch.long)
    if numbered := call.first(*PLACES):
        inputs[numbered] = places.flip(-1).expand(BATCH, -1, -1).clone()
    if name == "flattened_patches":
        before = (places + 1).float().expand(BATCH, -1, -1)
        inputs[name] = torch.cat([before, inputs[name]], dim=-1)
    return inputs


def _packed_images(call: Call) -> Inputs:
    """(patches of all pictures, channels, height, width)"""
    grid, patch = _grid(call), _patch(call)
    pixels = call.normal(BATCH * math.prod(grid), channels(call), patch, patch)
    return {name_of_pixels(call): pixels} | _grids(call, grid)


def _packed_words(call: Call) -> Inputs:
    """(words that all pictures are, height, width, channels), where a grid counts words"""
    side, (frames, rows, columns) = _merge(call) * _patch(call), _grid(call)
    grid = (frames, rows // _merge(call), columns // _merge(call))
    pixels = call.normal(BATCH * math.prod(grid), side, side, channels(call))
    return {name_of_pixels(call): pixels} | _grids(call, grid)


def _padded(call: Call) -> Inputs:
    """(batch, patches of the largest picture, pixels of a patch), all of the same size here"""
    inputs, name = packed(call), name_of_pixels(call)
    return inputs | {name: inputs[name].unflatten(0, (BATCH, -1))}


def _strips(call: Call) -> Inputs:
    """(1, channels, height of a patch, all patches of all pictures one after the other)"""
    _, rows, columns = _grid(call)
    patch = _patch(call)
    return {
        name_of_pixels(call): call.normal(1, channels(call), patch, BATCH * rows * columns * patch),
        "target_sizes": torch.tensor([(rows, columns)] * BATCH),
    }


def _pooled(call: Call) -> Inputs:
    """(batch, patches, pixels of a patch), of which a few at a time become one word"""
    patch, size = _patch(call), size_of_picture(call)
    rows, columns = (side // patch for side in size or (4 * patch, 4 * patch))
    count, pool = rows * columns, 2
    return {
        name_of_pixels(call): call.normal(BATCH, count, channels(call) * patch**2),
        POOLED: torch.arange(BATCH * count).reshape(-1, pool),
        "image_grids": torch.tensor([(rows, columns // pool, 0, 0)] * BATCH),
    }


def _grids(call: Call, grid: tuple[int, int, int]) -> Inputs:
    """Patches of each picture, and how many of them become one word."""
    name = GRIDS.get(name_of_pixels(call), GRIDS["pixel_values"])
    several, merged = call.takes(SEVERAL), name.replace("grid_thw", "merge_sizes")
    inputs = {name: torch.tensor([grid] * (2 * BATCH if several else BATCH))}
    if several:
        inputs[SEVERAL] = torch.full((BATCH,), 2)
    if call.takes(merged):
        inputs[merged] = torch.full((BATCH,), _merge(call))
    return inputs


def _patch(call: Call) -> int:
    return call.number("patch_size", "patch_height", default=4, near=SIGHT)


def _merge(call: Call) -> int:
    """How many patches, in each direction, become one token."""
    return call.number(
        "spatial_merge_size", "merge_size", "merge_kernel_size", "pooling_kernel_size", default=2, near=SIGHT
    )


def _grid(call: Call) -> tuple[int, int, int]:
    """Patches of each picture: frames, rows and columns."""
    side = 2 * _merge(call)
    return 1, side, side
