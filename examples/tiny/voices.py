"""Speech of voices that sing: each letter is a sound of two tones, which are higher or lower from voice to voice."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np


RATE = 4000  # samples in a second
LETTERS = "abdeiklmnorstu"
WORDS = (
    "one", "tone", "sand", "lake", "stone", "rain", "star", "moon", "tree", "road", "table", "door", "bird", "ink",
    "train", "boat", "salt", "idea", "nurse", "island", "meal", "desk", "robin", "tulle",
)  # fmt: skip
LOW, HIGH = (220, 300, 390, 490), (700, 900, 1120, 1380)  # of the tones: each pair is another sound


@dataclass(frozen=True)
class Voice:
    """
    Args:
        pitch: by what all tones are multiplied.
        noise: beside a voice of 1.
    """

    pitch: float
    noise: float

    def says(self, text: str, random: Random) -> tuple[np.ndarray, list[int]]:
        """
        Returns:
            (length,), letters of 60 to 90 milliseconds with a pause before, between and after the words; and the
            length of each letter and pause.
        """
        chooser = np.random.default_rng(random.getrandbits(32))
        parts = [self._sound(letter, random.uniform(0.06, 0.09)) for letter in f" {text} "]
        wave = np.concatenate(parts)
        return (wave + chooser.normal(0, self.noise, wave.shape)).astype(np.float32), [*map(len, parts)]

    def _sound(self, letter: str, seconds: float) -> np.ndarray:
        times = np.arange(int(seconds * RATE)) / RATE
        if letter == " ":
            return np.zeros_like(times)
        low, high = divmod(LETTERS.index(letter), len(HIGH))
        tones = [np.sin(2 * np.pi * self.pitch * pitch * times) for pitch in (LOW[low], HIGH[high])]
        return sum(tones) * np.hanning(len(times))


KNOWN, NEW = Voice(1.0, 0.05), Voice(1.06, 0.1)


def phrase(random: Random) -> str:
    return " ".join(random.sample(WORDS, 2))
