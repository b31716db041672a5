"""What a tiny model of each kind is called with: names and shapes, from the parameters of its forward alone."""

from __future__ import annotations

import importlib
from dataclasses import replace

import pytest
import torch

from adaptergen.verify.inputs import batch, layout_of
from adaptergen.verify.outputs import run
from adaptergen.verify.tiny import tiny_config


CASES = {
    "bert": ("BertModel", {"input_ids": (2, 7), "attention_mask": (2, 7)}),
    "clip": ("CLIPModel", {"pixel_values": (2, 3, 16, 16), "input_ids": (2, 7), "attention_mask": (2, 7)}),
    "videomae": ("VideoMAEModel", {"pixel_values": (2, 16, 3, 16, 16)}),
    "qwen3_vl": (
        "Qwen3VLModel",
        {
            "pixel_values": (32, 96),
            "image_grid_thw": (2, 3),
            "input_ids": (2, 11),
            "attention_mask": (2, 11),
            "mm_token_type_ids": (2, 11),
        },
    ),
    "hubert": ("HubertModel", {"input_values": (2, 4800), "attention_mask": (2, 4800)}),
    "parakeet": ("ParakeetForCTC", {"input_features": (2, 16, 8), "attention_mask": (2, 16)}),
    "kyutai_speech_to_text": ("KyutaiSpeechToTextModel", {"input_ids": (2, 7, 33), "attention_mask": (2, 7)}),
    "timesfm": ("TimesFmModel", {"past_values": (2, 32), "past_values_padding": (2, 32), "freq": (2, 1)}),
}


@pytest.fixture(params=CASES)
def model_and_shapes(request):
    cls_name, shapes = CASES[request.param]
    cls = getattr(importlib.import_module(f"transformers.models.{request.param}.modeling_{request.param}"), cls_name)
    return cls._from_config(tiny_config(cls.config_class)).eval(), shapes


def test_shapes(model_and_shapes) -> None:
    model, shapes = model_and_shapes
    inputs = batch(model, padded=True)
    assert {name: tuple(value.shape) for name, value in inputs.items()} == shapes
    assert run(model, inputs)


def test_same_each_time_and_padding_shows_in_the_mask(model_and_shapes) -> None:
    model, _ = model_and_shapes
    layout = layout_of(model)
    first, second, whole = (batch(model, padded=padded, layout=layout) for padded in (True, True, False))
    assert all(torch.equal(first[name], second[name]) for name in first)
    if "attention_mask" in first:
        assert bool(whole["attention_mask"].all())
        assert first["attention_mask"].sum(-1).tolist()[0] > first["attention_mask"].sum(-1).tolist()[1]


def test_a_layout_without_masks_tells_nothing_of_padding(model_and_shapes) -> None:
    model, _ = model_and_shapes
    layout = layout_of(model)
    inputs = batch(model, padded=True, layout=replace(layout, masked=False))
    assert "input_ids" in inputs or "attention_mask" not in inputs
