"""What does a model hear? Samples or spectrograms, in each of the layouts that models want them in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from adaptergen.verify.inputs.call import BATCH, HEARING, LENGTH, Call
from adaptergen.verify.inputs.pixels import STATES


Inputs = dict[str, Tensor]
Bring = Callable[[Call], Inputs]
SOUNDS = ("input_features", "input_values", "audio_input_features", "audio_values", "audio_mel")
MASKS = ("input_features_mask", "feature_attention_mask", "padding_mask", "audio_attention_mask", "input_values_mask")
SILENCES = ("audio_mel_mask",)  # masks of what is padding
BANDS = (
    "num_mel_bins",
    "feature_size",
    "input_feat_per_channel",
    "mel_bins",
    "n_mels",
    "input_dim",
    "feature_projection_input_dim",
    "input_feat_size",
)
LENGTHS = (16, 64, 128, 256)
SAMPLES = (4800, 1600, 400, 16000)  # the first is long enough for what is masked in training


def sound_layouts(call: Call) -> Iterator[Bring]:
    """Ways to bring sounds that the parameters of the forward allow, the likeliest first."""
    bands = _bands(call)
    if _states_are_sounds(call):
        yield from (partial(_first_states, bands=each) for each in bands)
    name = call.first(*SOUNDS)
    if name is None:
        return
    if call.takes("decoder_input_values"):
        yield _hidden
    if call.needs("input_features") and call.needs("input_values"):
        yield from (partial(_both, bands=each) for each in bands)
    spectrograms: list[Bring] = [
        *(partial(_filling, name=name, last=last, bands=bands[0]) for last in (False, True) if _positions(call)),
        *(
            partial(_spectrograms, name=name, length=length, last=last, bands=each)
            for each in bands
            for length in (*LENGTHS, *_windows(call), *_beside_words(call))
            for last in (True, False)
        ),
        partial(_as_pictures, name=name, bands=bands[0]),
    ]
    samples: list[Bring] = [
        partial(_samples, name=name, length=length, channels=channels)
        for length in (*SAMPLES, *_tokens(call))
        for channels in (False, True)
    ]
    is_spectrogram = "features" in name or "mel" in name
    yield from (*spectrograms, *samples) if is_spectrogram else (*samples, *spectrograms)


def _states_are_sounds(call: Call) -> bool:
    """What nothing comes before may call a spectrogram what its layers call their input."""
    return call.needs(STATES) and call.model.input_modalities in ("audio", ("audio",))


def _first_states(call: Call, bands: int) -> Inputs:
    """(batch, frames, bands)"""
    length = LENGTHS[0]
    mask = {"mask": call.mask(BATCH, length, padding=length // 4)} if call.takes("mask") else {}
    return {STATES: call.normal(BATCH, length, bands)} | mask


def _bands(call: Call) -> list[int]:
    """What the configuration says, and what the first map of an encoder of sounds takes."""
    told = call.number(*BANDS, default=80, near=HEARING)
    paths = call.model.named_modules()
    heard = [module for path, module in paths if not call.takes("input_ids") or any(word in path for word in HEARING)]
    return list(dict.fromkeys((told, _bands_read(heard) or told)))


def _bands_read(heard: Sequence[nn.Module]) -> int:
    """
    How many the first map takes. Where convolutions see them as pictures before, it takes what these leave of them, in
    each channel.
    """
    maps = (at for at, each in enumerate(heard) if isinstance(each, nn.Linear | nn.Conv1d))
    if (at := next(maps, None)) is None:
        return 0
    first, seeing = heard[at], [each for each in heard[:at] if isinstance(each, nn.Conv2d)]
    taken = int(first.in_features if isinstance(first, nn.Linear) else first.in_channels)
    return taken // seeing[-1].out_channels * math.prod(each.stride[-1] for each in seeing) if seeing else taken


def _windows(call: Call) -> list[int]:
    """Frames that are read at once, where only whole windows are taken: each has two halves."""
    half = call.number("n_window", default=0, near=HEARING)
    return [2 * half] if half else []


def _beside_words(call: Call) -> list[int]:
    """Frames of which a few are heard with each word, as in a translation that goes along."""
    return [LENGTH * frames for frames in (2, 4, 8)] if call.takes("input_ids") else []


def _tokens(call: Call) -> list[int]:
    """Samples of a few tokens, where only whole tokens are taken."""
    samples = call.number("samples_per_token", default=0, near=HEARING)
    return [2 * samples] if samples else []


def _positions(call: Call) -> int:
    """Positions of the encoder, which some want to be filled."""
    return call.number("max_source_positions", default=0, near=HEARING)


def _filling(call: Call, name: str, last: bool, bands: int) -> Inputs:
    """Spectrograms of the one length that fills all positions of the encoder."""
    strides = (module.stride[0] for module in call.model.modules() if isinstance(module, nn.Conv1d))
    return _spectrograms(call, name, _positions(call) * math.prod(strides), last, bands)


def _spectrograms(call: Call, name: str, length: int, last: bool, bands: int) -> Inputs:
    """(batch, bands, frames), or with the bands last"""
    shape = (BATCH, length, bands) if last else (BATCH, bands, length)
    inputs = {name: call.normal(*shape)} | _masks(call, length)
    if call.takes("chunk_sample_lengths"):
        hop = call.number("hop_length", default=1, near=HEARING)
        inputs["chunk_sample_lengths"] = torch.full((BATCH,), length * hop)
    return inputs


def _hidden(call: Call) -> Inputs:
    """Hidden states on both sides, for models whose ends are exchanged with what they read and write."""
    length, width = LENGTHS[0], call.number("hidden_size", default=32)
    names = ("input_values", "decoder_input_values")
    return {name: call.normal(BATCH, length, width) for name in names} | _masks(call, length)


def _both(call: Call, bands: int) -> Inputs:
    """The same sound as samples and as a spectrogram."""
    frames = LENGTHS[0]
    hop = call.number("hop_length", default=320, near=HEARING)
    return {
        "input_values": call.normal(BATCH, 1, frames * hop),
        "input_features": call.normal(BATCH, frames, bands),
    }


def _as_pictures(call: Call, name: str, bands: int) -> Inputs:
    """(batch, 1, frames, bands), in one piece each"""
    spectrograms = _spectrograms(call, name, LENGTHS[0], last=True, bands=bands)[name]
    inputs = {name: spectrograms[:, None]}
    return inputs | ({"is_longer": torch.zeros(BATCH, 1, dtype=torch.bool)} if call.takes("is_longer") else {})


def _samples(call: Call, name: str, length: int, channels: bool) -> Inputs:
    """(batch, samples), or with the channels between"""
    shape = (BATCH, call.number("audio_channels", default=1, near=HEARING), length) if channels else (BATCH, length)
    return {name: call.normal(*shape)} | _masks(call, length)


def _masks(call: Call, length: int) -> Inputs:
    """Texts have places for whole sounds: only what is nothing but a sound ends in padding."""
    if call.takes("input_ids"):
        return {name: call.mask(BATCH, length, padding=0) for name in MASKS if call.takes(name)}
    masks = {name: call.mask(BATCH, length, padding=length // 4) for name in ("attention_mask", *MASKS, *SILENCES)}
    return {name: mask == 0 if name in SILENCES else mask for name, mask in masks.items() if call.takes(name)}


def without_masks(inputs: Inputs) -> Inputs:
    """Sounds alone, for models that cannot be told which parts are padding."""
    return {name: value for name, value in inputs.items() if name not in ("attention_mask", *MASKS)}


def with_boolean_masks(bring: Bring, call: Call) -> Inputs:
    """Sounds for models that take what is no padding out by its mask."""
    return {name: value.bool() if name in MASKS else value for name, value in bring(call).items()}
