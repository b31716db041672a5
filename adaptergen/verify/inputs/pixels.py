"""What are pixels called, how many colours do they have, and how large is a picture?"""

from __future__ import annotations

from collections.abc import Collection

from adaptergen.verify.inputs.call import SIGHT, Call


PIXELS = ("pixel_values", "image_pixel_values", "pixel_values_videos", "flattened_patches", "image")
STATES = "hidden_states"


def has_pixels(call: Call) -> bool:
    return call.takes(*PIXELS) or _states_are_pixels(call)


def name_of_pixels(call: Call) -> str:
    name = STATES if _states_are_pixels(call) else call.first(*PIXELS)
    assert name is not None
    return name


def _states_are_pixels(call: Call) -> bool:
    """What nothing comes before may call a picture what its layers call their input."""
    return call.needs(STATES) and call.model.main_input_name in PIXELS and not call.takes(*PIXELS)


def channels(call: Call) -> int:
    return call.number("num_channels", "in_channels", "in_chans", "n_channels", default=3, near=SIGHT)


def size_of_picture(call: Call, near: Collection[str] = SIGHT) -> tuple[int, int] | None:
    """Height and width, where the configuration says them."""
    size = call.find(
        "image_size", "img_size", "input_size", "image_resolution", "max_img_size", "crop_size", near=near
    )
    if isinstance(size, dict):
        size = (size["height"], size["width"])
    if isinstance(size, list | tuple) and len(size) >= 2:
        stacked = 2 if call.takes("prompt_pixel_values") else 1  # an example stands above the picture
        return int(size[-2]) // stacked, int(size[-1])
    if isinstance(size, list | tuple) and size:
        size = size[0]
    return (size, size) if isinstance(size, int) else None
