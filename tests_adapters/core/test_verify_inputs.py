"""What a tiny model of each kind is called with: names and shapes, from the parameters of its forward alone."""

from __future__ import annotations

import importlib

import pytest
import torch
from msgspec.structs import replace

from adaptergen.verify.inputs import batch, layout_of
from adaptergen.verify.inputs.features import counts_told
from adaptergen.verify.outputs import run
from adaptergen.verify.proof import arguments_lacking, libraries_lacking
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
    "colqwen2": (
        "ColQwen2ForRetrieval",
        {"pixel_values": (2, 16, 96), "image_grid_thw": (2, 3), "input_ids": (2, 11), "attention_mask": (2, 11)},
    ),
    "colmodernvbert": (
        "ColModernVBertForRetrieval",
        {"pixel_values": (2, 2, 3, 16, 16), "input_ids": (2, 9), "attention_mask": (2, 9)},
    ),
    "ernie4_5_vl_moe": (
        "Ernie4_5_VLMoeModel",
        {
            "pixel_values": (32, 48),
            "image_grid_thw": (2, 3),
            "input_ids": (2, 11),
            "attention_mask": (2, 11),
            "mm_token_type_ids": (2, 11),
        },
    ),
    "evolla": (
        "EvollaModel",
        {
            "input_ids": (2, 7),
            "attention_mask": (2, 7),
            "protein_input_ids": (2, 7),
            "protein_attention_mask": (2, 7),
        },
    ),
    "molmo2": (
        "Molmo2Model",
        {
            "pixel_values": (2, 16, 48),
            "image_token_pooling": (16, 2),
            "image_grids": (2, 4),
            "input_ids": (2, 15),
            "attention_mask": (2, 15),
            "mm_token_type_ids": (2, 15),
        },
    ),
    "inkling2": (
        "Inkling2Model",
        {
            "pixel_values": (8, 8, 8, 3),
            "image_grid_thw": (2, 3),
            "input_ids": (2, 11),
            "attention_mask": (2, 11),
        },
    ),
    "glm_image": (
        "GlmImageModel",
        {
            "pixel_values": (8, 48),
            "image_grid_thw": (4, 3),
            "images_per_sample": (2,),
            "input_ids": (2, 11),
            "attention_mask": (2, 11),
        },
    ),
    "granite_docling": (
        "GraniteDoclingModel",
        {
            "pixel_values": (2, 2, 3, 16, 16),
            "pixel_attention_mask": (2, 2),
            "input_ids": (2, 9),
            "attention_mask": (2, 9),
        },
    ),
    "gemma4": (
        "Gemma4Model",
        {
            "pixel_values": (2, 36, 48),
            "image_position_ids": (2, 36, 2),
            "input_features": (2, 16, 32),
            "input_features_mask": (2, 16),
            "input_ids": (2, 15),
            "attention_mask": (2, 15),
            "mm_token_type_ids": (2, 15),
        },
    ),
    "mllama": (
        "MllamaModel",
        {
            "pixel_values": (2, 1, 4, 3, 16, 16),
            "aspect_ratio_ids": (2, 1),
            "aspect_ratio_mask": (2, 1, 4),
            "input_ids": (2, 7),
            "attention_mask": (2, 7),
            "cross_attention_mask": (2, 7, 1, 4),
        },
    ),
    "t5gemma2": (
        "T5Gemma2Model",
        {
            "pixel_values": (2, 3, 16, 16),
            "input_ids": (2, 11),
            "attention_mask": (2, 11),
            "decoder_input_ids": (2, 11),
        },
    ),
    "qwen2_audio": (
        "Qwen2AudioModel",
        {
            "input_features": (2, 8, 128),
            "feature_attention_mask": (2, 128),
            "input_ids": (2, 39),
            "attention_mask": (2, 39),
        },
    ),
    "qwen3_asr": (
        "Qwen3ASRModel",
        {
            "input_features": (2, 8, 100),
            "input_features_mask": (2, 100),
            "input_ids": (2, 20),
            "attention_mask": (2, 20),
        },
    ),
    "kimi_k25": (
        "Kimi_K25Model",
        {
            "pixel_values": (32, 3, 4, 4),
            "image_grid_thw": (2, 3),
            "input_ids": (2, 11),
            "attention_mask": (2, 11),
        },
    ),
    "instructblipvideo": (
        "InstructBlipVideoModel",
        {
            "pixel_values": (2, 2, 3, 16, 16),
            "input_ids": (2, 23),
            "attention_mask": (2, 23),
            "qformer_input_ids": (2, 7),
            "qformer_attention_mask": (2, 7),
        },
    ),
    "hubert": ("HubertModel", {"input_values": (2, 4800), "attention_mask": (2, 4800)}),
    "parakeet": ("ParakeetForCTC", {"input_features": (2, 16, 8), "attention_mask": (2, 16)}),
    "kyutai_speech_to_text": ("KyutaiSpeechToTextModel", {"input_ids": (2, 7, 33), "attention_mask": (2, 7)}),
    "gemma3n": (
        "Gemma3nModel",
        {
            "pixel_values": (2, 3, 16, 16),
            "input_features": (2, 16, 16),
            "input_features_mask": (2, 16),
            "input_ids": (2, 15),
            "attention_mask": (2, 15),
        },
    ),
    "neucodec": ("NeuCodecModel", {"input_values": (2, 1, 768), "input_features": (2, 16, 16)}),
    "perceiver": ("PerceiverModel", {"inputs": (2, 5, 32)}),
    "slanext": ("SLANeXtBackbone", {"hidden_states": (2, 3, 16, 16)}),
    "pp_doclayout_v2": ("PPDocLayoutV2ReadingOrder", {"boxes": (2, 7, 4), "labels": (2, 7), "mask": (2, 7)}),
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


@pytest.mark.parametrize(
    ("name", "cls_name", "shapes"),
    [
        ("gemma4", "Gemma4VisionModel", {"pixel_values": (2, 36, 48), "pixel_position_ids": (2, 36, 2)}),
        ("gemma4", "Gemma4AudioModel", {"input_features": (2, 16, 32), "attention_mask": (2, 16)}),
        ("phi4_multimodal", "Phi4MultimodalAudioModel", {"hidden_states": (2, 16, 16), "mask": (2, 16)}),
    ],
)
def test_what_sees_and_what_hears_alone(name: str, cls_name: str, shapes: dict[str, tuple[int, ...]]) -> None:
    cls = getattr(importlib.import_module(f"transformers.models.{name}.modeling_{name}"), cls_name)
    model = cls._from_config(tiny_config(cls.config_class)).eval()
    inputs = batch(model, padded=True)
    assert {name: tuple(value.shape) for name, value in inputs.items()} == shapes
    assert run(model, inputs)


def test_states_of_a_model_that_reads_what_another_has_heard() -> None:
    cls = importlib.import_module(
        "transformers.models.nemotron3_5_transcribe.modeling_nemotron3_5_transcribe"
    ).Nemotron3_5TranscribeWordTimestampModel
    model = cls._from_config(tiny_config(cls.config_class, shares=False)).eval()
    inputs = batch(model, padded=True)
    assert {name: tuple(value.shape) for name, value in inputs.items()} == {"inputs_embeds": (2, 5, 32)}
    assert run(model, inputs)


def test_same_each_time_and_padding_shows_in_the_mask(model_and_shapes) -> None:
    model, _ = model_and_shapes
    layout = layout_of(model)
    first, second, whole = (batch(model, padded=padded, layout=layout) for padded in (True, True, False))
    assert all(torch.equal(first[name], second[name]) for name in first)
    if "attention_mask" in first:
        assert bool(whole["attention_mask"].all())
        assert first["attention_mask"].sum(-1).tolist()[0] > first["attention_mask"].sum(-1).tolist()[1]


def test_a_model_that_knows_no_batches_gets_the_last_example() -> None:
    cls = importlib.import_module("transformers.models.tvp.modeling_tvp").TvpModel
    model = cls._from_config(tiny_config(cls.config_class)).eval()
    padded, whole = (batch(model, padded=padded) for padded in (True, False))
    assert {name: tuple(value.shape) for name, value in padded.items()} == {
        "pixel_values": (1, 48, 3, 64, 64),
        "input_ids": (1, 7),
        "attention_mask": (1, 7),
    }
    assert padded["attention_mask"].sum() < whole["attention_mask"].sum()
    assert run(model, padded)


def test_a_layout_without_masks_tells_nothing_of_padding(model_and_shapes) -> None:
    model, _ = model_and_shapes
    layout = layout_of(model)
    inputs = batch(model, padded=True, layout=replace(layout, masked=False))
    assert "input_ids" in inputs or "attention_mask" not in inputs


@pytest.mark.parametrize(
    ("refusal", "asked"),
    [
        ("Image features and image tokens do not match, tokens: 128, features: 32", {"image": 16, "audio": 2}),
        ("Audio features and audio tokens do not match, tokens: 4, features: 64", {"image": 64, "audio": 32}),
        ("Audio features and audio tokens do not match, tokens: 4, features: 4", {}),
        ("mat1 and mat2 shapes cannot be multiplied (128x4 and 48x32)", {}),
    ],
)
def test_a_model_that_refuses_says_how_many_places_it_wants(refusal: str, asked: dict[str, int]) -> None:
    assert counts_told(ValueError(refusal), {"image": 64, "audio": 2}) == asked


def test_arguments_that_cannot_be_made_up_are_told() -> None:
    refusal = "FilmModel.forward() missing 2 required positional arguments: 'session' and 'frame'"
    assert arguments_lacking(TypeError(refusal)) == "session and frame"
    assert arguments_lacking(TypeError("_attend() missing 1 required positional argument: 'mask'")) == ""


def test_libraries_that_a_model_requires_are_told() -> None:
    refusal = "CaseModel requires the PIL library but it was not found. CaseModel requires the timm library but it was"

    assert libraries_lacking(ImportError(refusal)) == "PIL, timm"
    assert libraries_lacking(RuntimeError(refusal)) == ""
    assert libraries_lacking(NameError("name 'torchvision' is not defined", name="torchvision")) == "torchvision"
    assert libraries_lacking(NameError("name 'states' is not defined", name="states")) == ""
