"""What does a decoder get besides its own words: what another model has read, or what it has written so far?"""

from __future__ import annotations

import torch
from torch import Tensor

from adaptergen.verify.inputs.call import BATCH, PADDING, SOURCE_LENGTH, Call


Inputs = dict[str, Tensor]
CROSS_STATES = "encoder_hidden_states"
CROSS_ATTENTION = (".encoder_attn", ".cross_attn", ".crossattention", ".cross_attention")
ACTING = ("dit", "action")  # the part of a model that moves something
ENCODED = "encoder_outputs"  # what some decoders on their own call the same


def source(call: Call, length: int) -> Inputs:
    """The states of an encoder, for a decoder on its own."""
    if cross_attends(call):
        mask = call.mask(BATCH, length, padding=PADDING)
        return {CROSS_STATES: _states(call, length), "encoder_attention_mask": mask}
    if not call.model.config.is_encoder_decoder and call.takes(ENCODED) and call.takes("input_ids"):
        return {ENCODED: _states(call, length)}
    return {}


def cross_attends(call: Call) -> bool:
    """By its role, or because its layers have attention for nothing else."""
    config = call.model.config
    if config.is_encoder_decoder or not call.takes(CROSS_STATES):
        return False
    wants = getattr(config, "add_cross_attention", getattr(config, "is_decoder", False))
    return bool(wants) or any(path.endswith(CROSS_ATTENTION) for path, _ in call.model.named_modules())


def _states(call: Call, length: int) -> Tensor:
    width = call.number("cross_attention_hidden_size", "hidden_size", default=32)
    return torch.randn(BATCH, length, width, generator=call.random)


def states(call: Call) -> Inputs:
    """Hidden states, for models that get nothing else: what is guessed so far, what another model has read."""
    width = call.number("hidden_size", default=32)
    if call.takes("context_hidden_states"):
        layers = call.find("target_layer_ids") or [0]
        return {
            "noise_embeds": call.normal(BATCH, SOURCE_LENGTH, width),
            "context_hidden_states": call.normal(BATCH, SOURCE_LENGTH, len(layers) * width),
            "attention_mask": torch.ones(BATCH, 2 * SOURCE_LENGTH, dtype=torch.long),
        }
    if call.takes("action_embeds"):
        width = call.number("hidden_size", default=width, near=ACTING)
        return {"action_embeds": call.normal(BATCH, SOURCE_LENGTH, width)}
    if call.needs("inputs_embeds") and not call.takes("input_ids"):
        return {"inputs_embeds": call.normal(BATCH, SOURCE_LENGTH, width)}
    if call.needs("inputs"):
        return {"inputs": call.normal(BATCH, SOURCE_LENGTH, call.number("d_model", default=width))}
    return _motions(call)


def _motions(call: Call) -> Inputs:
    """How something stands that moves, and movements that are guessed so far."""
    if not call.takes("state") or not call.takes("timestep"):
        return {}
    return {
        "state": call.normal(BATCH, call.number("max_state_dim", default=1)),
        "noise": call.normal(BATCH, call.number("chunk_size", default=1), call.number("max_action_dim", default=1)),
        "timestep": torch.rand(BATCH, generator=call.random),
    }
