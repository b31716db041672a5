"""What can a model be called with? Valid random inputs, from the parameters of its forward and its configuration."""

from __future__ import annotations

import inspect
from collections.abc import Collection

import torch
from torch import Tensor
from transformers import PreTrainedModel


BATCH, CHOICES, LENGTH, SOURCE_LENGTH, PADDING = 2, 3, 7, 5, 2
FIRST_WORD = 3  # smaller tokens have a meaning of their own
CROSS_STATES = "encoder_hidden_states"


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
    shape = (BATCH, CHOICES, LENGTH) if choices else (BATCH, LENGTH)
    inputs = _text(model, shape, padded, random)
    if model.config.is_encoder_decoder and "decoder_input_ids" in parameters(type(model)):
        inputs["decoder_input_ids"] = inputs["input_ids"].clone()
    if _cross_attends(model):
        inputs |= _source(model, padded, random)
    return inputs


def prompts(model: PreTrainedModel) -> dict[str, Tensor]:
    """What to go on writing from: two texts, one of them padded, on the left unless an encoder reads it."""
    inputs = batch(model, padded=True, choices=False)
    inputs.pop("decoder_input_ids", None)
    if not model.config.is_encoder_decoder:
        inputs["attention_mask"] = inputs["attention_mask"].flip(-1)
        inputs["input_ids"] = inputs["input_ids"].flip(-1)
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
    states = torch.randn(BATCH, SOURCE_LENGTH, model.config.hidden_size, generator=random)
    return {CROSS_STATES: states, "encoder_attention_mask": mask}
