"""What can a model be called with? Valid random inputs, from the parameters of its forward and its configuration."""

from __future__ import annotations

import inspect
import math
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel


BATCH, CHOICES, LENGTH, SOURCE_LENGTH, PADDING = 2, 3, 7, 5, 2
FIRST_WORD = 3  # smaller tokens have a meaning of their own
CROSS_STATES = "encoder_hidden_states"
ENCODED = "encoder_outputs"  # what some decoders on their own call the same


def parameters(cls: type[PreTrainedModel]) -> Collection[str]:
    """Names of the parameters of its forward."""
    return inspect.signature(cls.forward).parameters.keys()


def batch(model: PreTrainedModel, *, padded: bool, choices: bool) -> dict[str, Tensor]:
    """
    A batch of two.

    Args:
        padded: the second example ends in padding.
        choices: inputs are (batch, choices, length), as multiple-choice models want them.
    """
    random = torch.Generator().manual_seed(1)
    if model.main_input_name == "pixel_values":
        return {"pixel_values": torch.randn(BATCH, *_image_shape(model), generator=random)}
    if model.main_input_name == "input_features":
        return _speech(model, padded, random)
    shape = (BATCH, CHOICES, LENGTH) if choices else (BATCH, LENGTH)
    inputs = _text(model, shape, padded, random)
    if model.config.is_encoder_decoder and "decoder_input_ids" in parameters(type(model)):
        inputs["decoder_input_ids"] = inputs["input_ids"].clone()
    if _cross_attends(model):
        inputs |= _source(model, padded, random)
    elif not model.config.is_encoder_decoder and ENCODED in parameters(type(model)):
        inputs[ENCODED] = _states(model, random)
    return inputs


def prompts(model: PreTrainedModel) -> dict[str, Tensor]:
    """What to go on writing from: two texts, one of them padded, on the left unless an encoder reads it; or speech."""
    inputs = batch(model, padded=True, choices=False)
    inputs = {name: value for name, value in inputs.items() if not name.startswith("decoder_")}
    if not model.config.is_encoder_decoder:
        inputs["attention_mask"] = inputs["attention_mask"].flip(-1)
        inputs["input_ids"] = inputs["input_ids"].flip(-1)
    return inputs


def words(inputs: Mapping[str, Tensor]) -> tuple[str, Tensor]:
    """The argument that brings the text that is read, and the mask of its words."""
    prefix = "" if "input_ids" in inputs else "decoder_"
    return f"{prefix}input_ids", inputs[f"{prefix}attention_mask"]


def _speech(model: PreTrainedModel, padded: bool, random: torch.Generator) -> dict[str, Tensor]:
    """Spectrograms of the one length that fills all positions of the encoder, and the text that a decoder has read."""
    config = model.config
    strides = (module.stride[0] for module in model.modules() if isinstance(module, nn.Conv1d))
    frames = config.max_source_positions * math.prod(strides)
    inputs = {"input_features": torch.randn(BATCH, config.num_mel_bins, frames, generator=random)}
    if "decoder_input_ids" in parameters(type(model)):
        text = _text(model, (BATCH, LENGTH), padded, random)
        inputs |= {f"decoder_{name}": value for name, value in text.items()}
    return inputs


def _image_shape(model: PreTrainedModel) -> tuple[int, int, int]:
    size = model.config.image_size
    height, width = (size, size) if isinstance(size, int) else size
    return model.config.num_channels, height, width


def _text(model: PreTrainedModel, shape: tuple[int, ...], padded: bool, random: torch.Generator) -> dict[str, Tensor]:
    """Each text ends in the end token: some heads read the sentence there."""
    tokens = torch.randint(FIRST_WORD, model.config.vocab_size, shape, generator=random)
    mask = torch.ones(shape, dtype=torch.long)
    if padded:
        mask[-1, ..., LENGTH - PADDING :] = 0
        tokens[mask == 0] = model.config.pad_token_id or 0
    if model.config.eos_token_id is not None:
        tokens[-1, ..., LENGTH - PADDING - 1 if padded else -1] = model.config.eos_token_id
        tokens[:-1, ..., -1] = model.config.eos_token_id
    return {"input_ids": tokens, "attention_mask": mask}


def _cross_attends(model: PreTrainedModel) -> bool:
    config = model.config
    wants = getattr(config, "add_cross_attention", getattr(config, "is_decoder", False))
    return bool(wants) and CROSS_STATES in parameters(type(model))


def _source(model: PreTrainedModel, padded: bool, random: torch.Generator) -> dict[str, Tensor]:
    mask = torch.ones(BATCH, SOURCE_LENGTH, dtype=torch.long)
    if padded:
        mask[-1, SOURCE_LENGTH - PADDING :] = 0
    return {CROSS_STATES: _states(model, random), "encoder_attention_mask": mask}


def _states(model: PreTrainedModel, random: torch.Generator) -> Tensor:
    return torch.randn(BATCH, SOURCE_LENGTH, model.config.hidden_size, generator=random)
