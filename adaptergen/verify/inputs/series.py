"""What does a model get that reads numbers over time: measurements, or what was done in a game?"""

from __future__ import annotations

import torch
from torch import Tensor

from adaptergen.verify.inputs.call import BATCH, LENGTH, Call


Inputs = dict[str, Tensor]


def series(call: Call) -> Inputs:
    """Measurements, (batch, time) or (batch, time, channels), and what is known of each time."""
    if not call.takes("past_values"):
        return {}
    length = call.number("context_length", default=16)
    lags = call.find("lags_sequence")
    length += max(lags) if lags else 0
    channels = call.number("num_input_channels", default=0)
    shape = (BATCH, length, channels) if channels else (BATCH, length)
    inputs = {"past_values": call.normal(*shape)}
    if call.takes("past_observed_mask"):
        inputs["past_observed_mask"] = torch.ones(shape)
    if call.takes("past_values_padding"):
        inputs["past_values_padding"] = 1 - call.mask(*shape, padding=0)
    if call.takes("freq"):
        inputs["freq"] = torch.zeros(BATCH, 1, dtype=torch.long)
    return inputs | _features(call, length)


def _features(call: Call, length: int) -> Inputs:
    """What is known of the past, of the future, and of a series as a whole."""
    inputs: Inputs = {}
    known = call.number("num_time_features", default=0)
    future = call.number("prediction_length", default=8)
    for name, steps in (("past_time_features", length), ("future_time_features", future)):
        if call.takes(name):
            inputs[name] = call.normal(BATCH, steps, known)
    if call.takes("future_values") and call.model.config.is_encoder_decoder:
        inputs["future_values"] = call.normal(BATCH, future)
    reals = call.number("num_static_real_features", default=0)
    if call.takes("static_real_features") and reals:
        inputs["static_real_features"] = call.normal(BATCH, reals)
    categories = call.number("num_static_categorical_features", default=0)
    if call.takes("static_categorical_features") and categories:
        inputs["static_categorical_features"] = torch.zeros(BATCH, categories, dtype=torch.long)
    return inputs


def game(call: Call) -> Inputs:
    """States, actions and rewards, one after the other."""
    if not call.takes("returns_to_go"):
        return {}
    return {
        "states": call.normal(BATCH, LENGTH, call.number("state_dim", default=1)),
        "actions": call.normal(BATCH, LENGTH, call.number("act_dim", default=1)),
        "rewards": call.normal(BATCH, LENGTH, 1),
        "returns_to_go": call.normal(BATCH, LENGTH, 1),
        "timesteps": torch.arange(LENGTH).repeat(BATCH, 1),
        "attention_mask": call.mask(BATCH, LENGTH, padding=2),
    }
