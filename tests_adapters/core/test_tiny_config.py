"""Configurations for tests: what becomes of a default configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig

from adaptergen.verify.tiny import tiny_config


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


class BothConfig(PreTrainedConfig):
    model_type = "tiny_case_both"
    sub_configs_defaults = {"text_config": TextConfig, "vision_config": VisionConfig}

    text_config: dict[str, Any] | PreTrainedConfig | None = None
    vision_config: dict[str, Any] | PreTrainedConfig | None = None
    image_token_id: int = 31998


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


def test_configurations_in_a_configuration_are_small_and_speak_of_the_same_tokens() -> None:
    small = tiny_config(BothConfig)

    assert said(small.text_config) == said(tiny_config(TextConfig))
    assert said(small.vision_config) == said(tiny_config(VisionConfig)) | {"projector_width": 16}
    assert small.image_token_id == 98


def test_keys_are_not_shared_where_the_configuration_refuses_it() -> None:
    assert said(tiny_config(UngroupedConfig)) == {
        "hidden_size": 32,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
    }


def test_what_a_person_has_decided_is_taken_as_it_is() -> None:
    small = tiny_config(BothConfig, {"text_config": {"hidden_size": 64}, "image_token_id": 7})

    assert said(small.text_config) == said(tiny_config(TextConfig)) | {"hidden_size": 64}
    assert small.image_token_id == 7


def test_a_configuration_is_the_callers_own() -> None:
    tiny_config(TextConfig).layer_types.append("changed")

    assert "changed" not in tiny_config(TextConfig).layer_types
