"""Configurations for tests: what becomes of a default configuration."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from transformers import EfficientNetConfig, Gemma3nConfig, PreTrainedConfig, TimmBackboneConfig
from transformers.configuration_utils import SubConfigSpec

from adaptergen.verify.tiny import BROAD, tiny_config
from adaptergen.verify.tiny.backbones import stands_in
from adaptergen.verify.tiny.rotary import head_size, small_sections


class TextConfig(PreTrainedConfig):
    """A decoder whose layers differ: the first is dense, every fourth sees everything."""

    model_type = "tiny_case_text"

    vocab_size: int = 32000
    hidden_size: int = 4096
    intermediate_size: int = 11008
    num_hidden_layers: int = 8
    num_attention_heads: int = 32
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    first_k_dense_replace: int = 1
    layer_types: list[str] | None = None
    sliding_window: int = 4096
    max_position_embeddings: int = 2048
    attention_dropout: float = 0.1
    pad_token_id: int | None = None
    eos_token_id: int | None = 31999
    rope_parameters: dict[str, Any] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        if self.layer_types is None:
            kinds = ["sliding_attention"] * 3 + ["full_attention"]
            self.layer_types = [kinds[layer % 4] for layer in range(self.num_hidden_layers)]
        super().__post_init__(**kwargs)


class VisionConfig(PreTrainedConfig):
    """Stages, of which each has a width and a number of heads, and whose outputs have the width of a decoder."""

    model_type = "tiny_case_vision"

    embed_dims: tuple[int, ...] = (96, 192, 384)
    depths: tuple[int, ...] = (2, 2, 6)
    num_heads: tuple[int, ...] = (3, 6, 12)
    out_hidden_size: int = 4096
    projector_width: int = 1024
    image_size: int = 224
    patch_size: int = 4
    window_size: int = 7
    drop_path_rate: float = 0.1


class RenamedConfig(PreTrainedConfig):
    """What is declared under one name, and kept under another."""

    model_type = "tiny_case_renamed"
    attribute_map = {"num_hidden_layers": "n_layers", "num_experts": "num_local_experts"}

    num_hidden_layers: int = 24
    num_experts: int = 128


class BothConfig(PreTrainedConfig):
    model_type = "tiny_case_both"
    sub_configs_defaults = {"text_config": TextConfig, "vision_config": VisionConfig}

    text_config: dict[str, Any] | PreTrainedConfig | None = None
    vision_config: dict[str, Any] | PreTrainedConfig | None = None
    image_token_id: int = 31998


class ViewConfig(PreTrainedConfig):
    """Patches next to each other become one, and attention is in windows of pixels."""

    model_type = "tiny_case_view"

    hidden_size: int = 1024
    spatial_merge_size: int = 2
    patch_size: int = 14
    window_size: int = 112


class SoundConfig(PreTrainedConfig):
    """Four frames next to each other are as wide as the feed-forward is inside."""

    model_type = "tiny_case_sound"

    hidden_size: int = 1024
    intermediate_size: int = 4096
    num_mel_bins: int = 128


class PartsConfig(PreTrainedConfig):
    """A model that may see and hear, though by default it only reads."""

    model_type = "tiny_case_parts"
    sub_configs_defaults = {
        "text_config": TextConfig,
        "vision_config": SubConfigSpec(config_class=ViewConfig, optional=True),
        "audio_config": SubConfigSpec(config_class=SoundConfig, optional=True),
    }

    text_config: dict[str, Any] | PreTrainedConfig | None = None
    vision_config: dict[str, Any] | PreTrainedConfig | None = None
    audio_config: dict[str, Any] | PreTrainedConfig | None = None
    image_token_index: int | None = None
    image_grid_pinpoints: list[list[int]] | None = None
    projector_patch_to_query_dict: dict[int, int] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        self.image_grid_pinpoints = self.image_grid_pinpoints or [[336, 672], [1008, 336]]
        self.projector_patch_to_query_dict = self.projector_patch_to_query_dict or {1225: 128, 4900: 256}
        super().__post_init__(**kwargs)


class PerLayerConfig(PreTrainedConfig):
    model_type = "tiny_case_per_layer"

    num_hidden_layers: int = 4
    num_attention_heads: int = 48
    num_attention_heads_per_layer: tuple[int, ...] = (48, 48, 64, 48)


class ConformerConfig(PreTrainedConfig):
    """Its width is called as what is inside of feed-forwards elsewhere."""

    model_type = "tiny_case_conformer"

    hidden_dim: int = 1024
    num_heads: int = 8


class StridedConfig(PreTrainedConfig):
    """The last stage sees a 32nd of the picture; what stages are scaled by is not said."""

    model_type = "tiny_case_strided"

    image_size: int = 256
    output_stride: int = 32
    projector_scale_factors: tuple[float, ...] = ()


class BlocksConfig(PreTrainedConfig):
    model_type = "tiny_case_blocks"

    block_configs: tuple[tuple[int, ...], ...] = ((3, 96, 96), (3, 96, 192))
    stem_channels: tuple[int, ...] = (3, 48, 96)


class ScaledConfig(PreTrainedConfig):
    """A part that a factor scales as a whole, as wide as what the other part is projected to."""

    model_type = "tiny_case_scaled"
    sub_configs_defaults = {"vision_config": EfficientNetConfig}

    vision_config: dict[str, Any] | PreTrainedConfig | None = None
    projection_dim: int = 640


class AimingConfig(PreTrainedConfig):
    """Something goes from a neck to three layers of a part."""

    model_type = "tiny_case_aiming"
    sub_configs_defaults = {"text_config": TextConfig}

    text_config: dict[str, Any] | PreTrainedConfig | None = None
    picture_target_layers: tuple[int, ...] = (1, 4, 6)
    downsample_channels: tuple[int, ...] = (512, 896)


class PicturesInPicturesConfig(PreTrainedConfig):
    model_type = "tiny_case_pictures"

    patch_size: int = 384


class BackboneConfig(PreTrainedConfig):
    model_type = "tiny_case_backbone"
    sub_configs_defaults = {"backbone_config": TimmBackboneConfig}

    backbone_config: dict[str, Any] | PreTrainedConfig | None = None


class UngroupedConfig(PreTrainedConfig):
    """An attention that has as many keys as queries."""

    model_type = "tiny_case_ungrouped"

    hidden_size: int = 512
    num_attention_heads: int = 8
    num_key_value_heads: int = 8

    def __post_init__(self, **kwargs: Any) -> None:
        if self.num_key_value_heads != self.num_attention_heads:
            raise ValueError("keys are not shared here")
        super().__post_init__(**kwargs)


class AttentionConfig(PreTrainedConfig):
    """What a trained model says of positions and of too large queries here, the default says nowhere."""

    model_type = "tiny_case_attention"

    kv_n_heads: int = 1
    clip_qkv: float | None = None


class ScatteredConfig(PreTrainedConfig):
    """It leaves to its parts how many layers and heads of keys there are."""

    model_type = "tiny_case_scattered"
    sub_configs_defaults = {"attn_config": AttentionConfig, "encoder_config": TextConfig}

    attn_config: dict[str, Any] | PreTrainedConfig | None = None
    encoder_config: dict[str, Any] | PreTrainedConfig | None = None
    num_attention_heads: int = 32
    use_cache: bool = True
    rope_parameters: dict[str, Any] | None = None


class CodesConfig(PreTrainedConfig):
    """Sounds that become codes: each head has keys of its own."""

    model_type = "tiny_case_codes"

    hidden_size: int = 512
    num_attention_heads: int = 8
    num_key_value_heads: int = 8
    quantization_levels: tuple[int, ...] = (4, 4)
    codebook_dim: int = 256
    vector_quantization_hidden_dimension: int = 256
    encoder_hidden_size: int = 48
    num_filters: int = 64
    downsampling_ratios: tuple[int, ...] = (2, 2, 4)
    upsampling_ratios: tuple[int, ...] = (8, 6, 5)


class StridedPatchesConfig(StridedConfig):
    model_type = "tiny_case_strided_patches"

    patch_size: int = 2


class LookingConfig(PreTrainedConfig):
    """What is as wide as the first stage of the backbone, from which it takes maps and the token of the class."""

    model_type = "tiny_case_looking"
    sub_configs_defaults = {
        "tower_config": SubConfigSpec(config_class=VisionConfig, init_kwargs={"return_class_token": True})
    }

    tower_config: dict[str, Any] | PreTrainedConfig | None = None
    d_model: int = 256
    x4_feat_dim: int = 192


class PyramidConfig(PreTrainedConfig):
    """Stages of which every one says how many blocks it has, how wide it is, and how large its windows are."""

    model_type = "tiny_case_pyramid"

    hidden_size: int = 96
    image_size: tuple[int, ...] = (1024, 1024)
    blocks_per_stage: tuple[int, ...] = (1, 2, 2)
    embed_dim_per_stage: tuple[int, ...] = (96, 192, 384)
    window_size_per_stage: tuple[int, ...] = (8, 4, 14)


class MapsConfig(PreTrainedConfig):
    """A neck of maps that become smaller, the last of which has a value for each patch; and what is made of them."""

    model_type = "tiny_case_maps"
    sub_configs_defaults = {"tower_config": PyramidConfig}

    tower_config: dict[str, Any] | PreTrainedConfig | None = None
    backbone_channel_list: tuple[int, ...] = (384, 192, 96)
    backbone_feature_sizes: tuple[tuple[int, ...], ...] = ((256, 256), (128, 128), (64, 64))
    fusion_hidden_size: int = 256
    bottleneck_features: int = 256


class PointsConfig(PreTrainedConfig):
    """Heads of which three axes and an identity turn a part each."""

    model_type = "tiny_case_points"

    hidden_size: int = 128
    num_attention_heads: int = 4
    output_dim: int = 384
    num_spatial_rope_pairs_per_axis: int = 4
    num_uid_rope_pairs: int = 4


class GraphConfig(PreTrainedConfig):
    """Layers that are told by their kinds alone, and points in space, seen next to what else is known of them."""

    model_type = "tiny_case_graph"
    sub_configs_defaults = {"points_config": PointsConfig}

    hidden_size: int = 256
    single_inputs_size: int = 451
    graph_layers_types: list[str] | None = None
    points_config: dict[str, Any] | PreTrainedConfig | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        self.graph_layers_types = self.graph_layers_types or ["self", "cross"] * 9
        super().__post_init__(**kwargs)


class SureConfig(PreTrainedConfig):
    """Layers are left out where the model is sure."""

    model_type = "tiny_case_sure"

    hidden_size: int = 256
    depth_confidence: float = 0.95


def said(config: PreTrainedConfig) -> Mapping[str, Any]:
    """What the class of the configuration declares itself."""
    return {name: getattr(config, name) for name in type(config).__annotations__}


def test_one_layer_of_every_kind_is_kept() -> None:
    assert said(tiny_config(TextConfig)) == {
        "vocab_size": 99,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "first_k_dense_replace": 1,
        "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
        "sliding_window": 4,
        "max_position_embeddings": 64,
        "attention_dropout": 0.0,
        "pad_token_id": 0,
        "eos_token_id": 2,
        "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
    }


def test_stages_keep_their_proportions() -> None:
    assert said(tiny_config(VisionConfig)) == {
        "embed_dims": (8, 16, 32),
        "depths": (2, 2, 2),
        "num_heads": (1, 2, 4),
        "out_hidden_size": 32,
        "projector_width": 64,
        "image_size": 64,
        "patch_size": 4,
        "window_size": 2,
        "drop_path_rate": 0.0,
    }


def test_maps_have_the_widths_of_their_stages_and_keep_their_proportions() -> None:
    small = tiny_config(MapsConfig)

    assert small.tower_config.image_size == (64, 64)
    assert small.tower_config.window_size_per_stage == (8, 4, 14)
    assert small.backbone_channel_list == small.tower_config.embed_dim_per_stage[::-1]
    assert small.tower_config.embed_dim_per_stage[0] == small.tower_config.hidden_size
    assert small.backbone_feature_sizes == [[16, 16], [8, 8], [4, 4]]
    assert small.bottleneck_features == small.fusion_hidden_size


def test_configurations_in_a_configuration_are_small_and_speak_of_the_same_tokens() -> None:
    small = tiny_config(BothConfig)

    assert said(small.text_config) == said(tiny_config(TextConfig))
    assert said(small.vision_config) == said(tiny_config(VisionConfig)) | {"projector_width": 16}
    assert small.image_token_id == 98


def test_parts_that_may_be_there_are_there() -> None:
    small = tiny_config(PartsConfig)

    assert isinstance(small.vision_config, ViewConfig)
    assert isinstance(small.audio_config, SoundConfig)


def test_texts_have_places_for_pictures() -> None:
    assert tiny_config(PartsConfig).image_token_index == 10


def test_a_token_that_another_configuration_of_the_file_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    class SpeakerConfig(PreTrainedConfig):
        model_type = "tiny_case_speaker"

        vision_start_token_id: int = 31998

    file = ModuleType("configuration_of_a_case")
    monkeypatch.setitem(sys.modules, file.__name__, file)
    for each in (SpeakerConfig, BothConfig):
        monkeypatch.setattr(each, "__module__", file.__name__)
        setattr(file, each.__name__, each)

    small = tiny_config(BothConfig, {"image_token_id": 7})

    assert small.vision_start_token_id == 98
    assert small.text_config.rope_parameters["mrope_section"] == [1, 1, 2]


def test_parts_of_pictures_are_as_small_as_pictures() -> None:
    small = tiny_config(PartsConfig)

    assert small.image_grid_pinpoints == [[16, 32], [48, 16]]
    assert small.projector_patch_to_query_dict == {16: 4}
    assert small.vision_config.window_size == 2 * small.vision_config.patch_size
    assert tiny_config(PicturesInPicturesConfig).patch_size == 16


def test_frames_next_to_each_other_stay_as_wide() -> None:
    small = tiny_config(SoundConfig)

    assert (small.hidden_size, small.intermediate_size) == (32, 128)


def test_layers_keep_more_heads_than_others() -> None:
    small = tiny_config(PerLayerConfig)

    assert (small.num_attention_heads, list(small.num_attention_heads_per_layer)) == (4, [4, 8, 4])


def test_the_only_width_is_that_of_the_model() -> None:
    assert tiny_config(ConformerConfig).hidden_dim == 32


def test_the_last_stage_sees_more_than_a_point() -> None:
    small = tiny_config(StridedConfig)

    assert (small.image_size, small.projector_scale_factors) == (64, (1.0,))


def test_what_is_left_of_a_picture_has_several_patches() -> None:
    assert tiny_config(StridedPatchesConfig).image_size == 2 * 2 * 32


def test_what_is_as_wide_as_a_stage_of_the_backbone_stays_so() -> None:
    small = tiny_config(LookingConfig)

    assert small.x4_feat_dim == small.tower_config.embed_dims[1] == 16
    assert small.tower_config.return_class_token


def test_what_only_another_part_says_is_said() -> None:
    small = tiny_config(ScatteredConfig)

    assert (small.num_hidden_layers, small.num_key_value_heads) == (3, small.num_attention_heads)
    assert (small.attn_config.rope_theta, small.attn_config.clip_qkv) == (10000.0, 8.0)


def test_a_model_is_never_sure() -> None:
    assert tiny_config(SureConfig).depth_confidence < 0


def test_heads_that_turn_together_are_small() -> None:
    assert head_size({"rope_parameters": {"partial_rotary_factor": 4.0}}) == 4


def test_blocks_stay_as_wide_as_they_say() -> None:
    assert tiny_config(BlocksConfig).stem_channels == (3, 48, 96)


def test_a_broad_model_is_broad_throughout() -> None:
    small, broad = tiny_config(BothConfig), tiny_config(BothConfig, times=BROAD)

    for part, names in (
        ("text_config", ("hidden_size", "intermediate_size", "head_dim")),
        ("vision_config", ("out_hidden_size", "projector_width")),
    ):
        for name in names:
            assert getattr(getattr(broad, part), name) == BROAD * getattr(getattr(small, part), name)
    assert broad.text_config.num_attention_heads == small.text_config.num_attention_heads
    assert broad.text_config.num_hidden_layers == small.text_config.num_hidden_layers


def test_layers_that_another_part_aims_at_are_kept() -> None:
    small = tiny_config(AimingConfig)

    assert small.text_config.num_hidden_layers == 5  # these, the first and the last
    assert tuple(small.picture_target_layers) == (1, 2, 3)


def test_a_neck_ends_as_wide_as_what_follows() -> None:
    assert tuple(tiny_config(AimingConfig).downsample_channels) == (16, 32)


@pytest.mark.parametrize(
    ("sections", "small"), [([16, 24, 24], [2, 1, 1]), ([22, 22, 20], [1, 1, 2]), ([1, 1, 1], [1, 1, 2])]
)
def test_sections_of_one_size_stay_so(sections: list[int], small: list[int]) -> None:
    assert small_sections(sections, {}) == small


def test_a_part_that_is_scaled_as_a_whole() -> None:
    small = tiny_config(ScaledConfig)

    assert small.vision_config.width_coefficient == small.vision_config.depth_coefficient == 0.1
    assert small.projection_dim == 32  # as wide as its last stage


def test_another_backbone_stands_in_for_one_of_a_library() -> None:
    assert stands_in(BackboneConfig())
    assert not stands_in(tiny_config(BackboneConfig))
    assert not stands_in(BothConfig())


def test_another_model_stands_in_for_one_that_a_library_has() -> None:
    small = tiny_config(Gemma3nConfig)

    assert stands_in(Gemma3nConfig())
    assert not stands_in(small)
    assert small.vision_config.hidden_sizes[-1] == small.vision_config.hidden_size
    assert small.vision_config.vocab_offset < small.image_token_id < small.audio_config.vocab_offset


def test_keys_are_not_shared_where_the_configuration_refuses_it() -> None:
    assert said(tiny_config(UngroupedConfig)) == {
        "hidden_size": 32,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
    }


def test_keys_are_not_shared_where_sounds_become_codes() -> None:
    small = tiny_config(CodesConfig)

    assert small.num_key_value_heads == small.num_attention_heads == 4
    assert small.codebook_dim == small.vector_quantization_hidden_dimension == 16


def test_what_doubles_with_each_step_starts_small() -> None:
    small = tiny_config(CodesConfig)

    assert small.encoder_hidden_size == small.num_filters == 8


def test_steps_between_samples_are_short() -> None:
    assert tiny_config(CodesConfig).downsampling_ratios == (2, 2, 2)


def test_layers_that_are_told_by_their_kinds_alone() -> None:
    assert tiny_config(GraphConfig).graph_layers_types == ["self", "cross"]


def test_what_is_put_beside_a_part_is_as_wide_as_before() -> None:
    small = tiny_config(GraphConfig)

    assert small.single_inputs_size == small.points_config.output_dim + 451 - 384
    assert small.points_config.num_spatial_rope_pairs_per_axis == small.points_config.num_uid_rope_pairs == 1


def test_a_token_that_only_the_model_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "modeling_case.py").write_text('self.yes = getattr(config, "yes_token_index", 10_784)\n')
    file = ModuleType("configuration_case")
    file.__file__ = str(tmp_path / "configuration_case.py")
    monkeypatch.setitem(sys.modules, file.__name__, file)
    monkeypatch.setattr(BothConfig, "__module__", file.__name__)

    assert tiny_config(BothConfig, {"image_token_id": 7}).yes_token_index == 97


def test_what_is_kept_under_another_name_is_small_too() -> None:
    small = tiny_config(RenamedConfig)

    assert (small.n_layers, small.num_hidden_layers) == (2, 2)
    assert (small.num_local_experts, small.num_experts) == (4, 4)


def test_what_a_person_has_decided_is_taken_as_it_is() -> None:
    small = tiny_config(BothConfig, {"text_config": {"hidden_size": 64}, "image_token_id": 7})

    assert said(small.text_config) == said(tiny_config(TextConfig)) | {"hidden_size": 64}
    assert small.image_token_id == 7


def test_a_configuration_is_the_callers_own() -> None:
    tiny_config(TextConfig).layer_types.append("changed")

    assert "changed" not in tiny_config(TextConfig).layer_types
