"""Pictures of displays with seven bars, as on clocks and tills: of digits, or of letters."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np


SIZE = 20  # pixels, of the square picture
BARS = {  # (row, column, height, width), of 12 by 8 pixels
    "a": (0, 1, 2, 6), "b": (1, 6, 5, 2), "c": (6, 6, 5, 2), "d": (10, 1, 2, 6), "e": (6, 0, 5, 2), "f": (1, 0, 5, 2),
    "g": (5, 1, 2, 6),
}  # fmt: skip
DIGITS = {
    "0": "abcdef", "1": "bc", "2": "abged", "3": "abgcd", "4": "fgbc", "5": "afgcd", "6": "afgedc", "7": "abc",
    "8": "abcdefg", "9": "abcdfg",
}  # fmt: skip
LETTERS = {
    "A": "abcefg", "b": "cdefg", "C": "adef", "d": "bcdeg", "E": "adefg", "F": "aefg", "H": "bcefg", "J": "bcd",
    "L": "def", "P": "abefg", "U": "bcdef", "n": "ceg", "o": "cdeg", "r": "eg", "t": "defg", "y": "bcdfg",
}  # fmt: skip


def picture(bars: str, random: Random) -> np.ndarray:
    """(SIZE, SIZE, 3), whole numbers from 0 to 255: bars of one colour somewhere on another one, with noise."""
    ground, light = _colours(random)
    pixels = np.tile(ground, (SIZE, SIZE, 1))
    top, left = random.randint(2, SIZE - 14), random.randint(4, SIZE - 12)
    for row, column, height, width in (BARS[bar] for bar in bars):
        pixels[top + row : top + row + height, left + column : left + column + width] = light
    noise = np.random.default_rng(random.getrandbits(32)).normal(0, 20, pixels.shape)
    return (pixels + noise).clip(0, 255).astype(np.uint8)


def _colours(random: Random) -> tuple[np.ndarray, np.ndarray]:
    """A dark one, and a bright one."""
    dark, bright = ([random.uniform(*ends) for _ in range(3)] for ends in ((0, 90), (150, 255)))
    return np.array(dark), np.array(bright)


def pictures(kinds: Sequence[str], count: int, random: Random) -> tuple[list[np.ndarray], list[int]]:
    """
    Args:
        kinds: the bars of each class.

    Returns:
        Pictures, and the class of each.
    """
    classes = [random.randrange(len(kinds)) for _ in range(count)]
    return [picture(kinds[number], random) for number in classes], classes
