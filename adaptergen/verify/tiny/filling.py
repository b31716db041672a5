"""What does a default configuration leave open that a model cannot do without?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any


LARGE = 2**20  # to be made smaller, like any other size
NEEDED = (
    r"vocab_size|prediction_length|n_routed_experts|n_shared_experts|num_experts(_per_tok)?|top_k_experts|"
    r"moe_intermediate_size|num_key_value_heads|head_dim|indexer_\w+"
)
WITHOUT_ATTENTION = {"linear_attention", "mamba", "recurrent", "conv"}
SLIDING = "num_sliding_"  # heads of the layers that see a window, though by default there are none
PLACES = {"image": 10, "video": 11, "audio": 12}  # tokens of a small vocabulary, where texts have places for these
CODES = range(30, 94)  # and for the codes of pictures
POSITIONS = {"rope_type": "default", "rope_theta": 10000.0}


def filled_in(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Values for attributes that say nothing by default, or nothing of attention."""
    return dict(_filled_in(attributes))


def _filled_in(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    length = attributes.get("num_hidden_layers")
    kinds = attributes.get("layer_types")
    for name, value in attributes.items():
        if value is None and re.fullmatch(NEEDED, name):
            yield name, LARGE
        if value is None and (place := re.fullmatch(r"(image|video|audio)_token_(id|index)", name)):
            yield name, PLACES[place[1]]
        if name.endswith("scale_factors") and value in ((), []):
            yield name, type(value)([1.0])
    if attributes.get("vocabulary_map", ()) is None:
        yield "vocabulary_map", dict(_words_of_pictures())
    if "attn_layer_indices" in attributes and not attributes["attn_layer_indices"] and length:
        yield "attn_layer_indices", [length - 1]
    if kinds and "num_attention_heads" in attributes and WITHOUT_ATTENTION.issuperset(kinds):
        yield "layer_types", [*kinds[:-1], "full_attention"]
    if (
        "layer_types" in attributes
        and kinds is None
        and length
        and any(name.startswith("conv_") for name in attributes)
    ):
        yield "layer_types", ["conv"] * (length - 1) + ["full_attention"]
    if "mlp_layer_types" in attributes and attributes["mlp_layer_types"] is None and length:
        yield "mlp_layer_types", ["dense"] + ["sparse"] * (length - 1)
    if kinds and "sliding_attention" in kinds and attributes.get("sliding_window", 0) is None:
        yield "sliding_window", LARGE
    if kinds and attributes.get("sliding_window", 0) is None and any(name.startswith(SLIDING) for name in attributes):
        both = ["sliding_attention", *kinds[1:]]
        yield "sliding_window", LARGE
        yield "layer_types", both
        yield "rope_parameters", {kind: dict(POSITIONS) for kind in dict.fromkeys(both)}
    if kinds and attributes.get("rope_parameters") == {}:
        yield "rope_parameters", {kind: dict(POSITIONS) for kind in kinds}
    if attributes.get("downsample_rate", "") is None:
        yield "downsample_rate", "2/4"  # queries of patches, on each side of a window
    if "kv_n_heads" in attributes and attributes.get("clip_qkv", "") is None:
        yield "clip_qkv", 8.0
    if attributes.get("deepstack_layer_map", ()) is None:
        yield "deepstack_layer_map", [[-1, 0]]
    if attributes.get("languages") and attributes.get("default_language", "") is None:
        yield "default_language", attributes["languages"][0]


def _words_of_pictures() -> Iterator[tuple[str, int]]:
    """What texts have for a picture as a whole, and for each of its codes in the two ways of writing numbers."""
    yield "<image>", PLACES["image"]
    yield "<|extra_200|>", PLACES["video"]
    for number, token in enumerate(CODES):
        yield f"<|visual token {number:06d}|>", token
        yield f"IMGIMG{''.join(chr(ord('A') + int(digit)) for digit in str(number))}Z", token
