"""Sounds as arrays of numbers, at the rate that a model wants; no decoder of videos is needed for them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from math import gcd
from typing import Any

import numpy as np
import soundfile
from datasets import Audio, Dataset
from scipy.signal import resample_poly


def with_files(data: Dataset, name: str) -> Dataset:
    """The same data, whose sounds are given as they are in their files."""
    return data.cast_column(name, Audio(decode=False)) if isinstance(data.features[name], Audio) else data


def samples(sound: Mapping[str, Any], rate: int) -> np.ndarray:
    """
    Args:
        sound: `array` and `sampling_rate`, or a file as `bytes` or by its `path`.

    Returns:
        (length,), one channel.
    """
    if sound.get("array") is not None:
        wave, given = np.asarray(sound["array"], dtype=np.float32), sound["sampling_rate"]
    else:
        wave, given = soundfile.read(
            io.BytesIO(sound["bytes"]) if sound.get("bytes") else sound["path"], dtype="float32"
        )
    wave = wave.mean(axis=-1) if wave.ndim > 1 else wave
    common = gcd(given, rate)
    return wave if given == rate else resample_poly(wave, rate // common, given // common).astype(np.float32)
