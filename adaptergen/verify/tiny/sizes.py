"""How small is an attribute that is called so?"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adaptergen.verify.tiny.tokens import VOCABULARY


WIDTH, HEADS, INNER, POSITIONS, IMAGE, PATCH, STAGE = 32, 4, 48, 64, 16, 4, 8

# The first pattern that matches an attribute's name decides; a number that is smaller already stays, None keeps any.
SIZES: tuple[tuple[str, int | None], ...] = (
    (r"num_channels|in_chans|input_channels|\w*(kernel|stride|padding|dilation|ratio|scale)\w*", None),
    (r"num_mel_bins|mel_dim|\w*_mel_bins|n_mels|input_feat_per_channel", 8),
    (r"\w*(key_value|kv)(_attention)?_heads\w*|n_head_kv", HEADS // 2),
    (r"kv_lora_rank", 16),
    (r"\w*_rank", 8),
    (r"\w*codebook_size", 64),
    (r"\w*vocab_size\w*", VOCABULARY),
    (
        r"(\w+_)?intermediate_(size|dim)|(\w+_)?(ffn|feed_?forward)_(hidden_)?(size|dim)|(\w+_)?d_ff|n_inner|d_inner|"
        r"inner_dim|\w*dim_feedforward|\w*linear_units|hidden_dim",
        INNER,
    ),
    (r"(\w+_)?hidden_size|d_model|n_embd|dim|embed_dim|emb_dim", WIDTH),
    (
        r"\w*max\w*_position(_embedding)?s|n_positions|n_ctx|max_seq_len|max_pos_emb|max_length|model_max_length",
        POSITIONS,
    ),
    (r"\w*(image|img|crop)_size|image_resolution", IMAGE),
    (r"\w*patch_size", PATCH),
    (r"\w*window_size|sliding_window(_size)?|local_attention|attention_(chunk_size|window)|chunk_size", 4),
    (r"\w*num_(local_|routed_)?experts|n_routed_experts", 4),
    (r"num_experts_per_tok(en)?|\w*moe_(topk|top_k|k)|top_k_experts|num_selected_experts|n_group|num_expert_group", 2),
    (r"topk_group|\w*shared_experts", 1),
    (r"\w*n_groups", 2),
    (r"\w*(d_state|state_size)", 8),
    (r"rotary_dim|qk_rope_head_dim", 4),
    (r"\w*num_queries|prediction_length|context_length", 8),
)
# Without these there is no model, though the default may be None.
NEEDED = ("vocab_size", "prediction_length", "n_routed_experts", "n_shared_experts", "num_experts_per_tok")
# What trained models have, though it is not the default.
FEATURES: dict[str, Any] = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
HEADS_OF = r"(\w+_)?(num_)?(attention_)?heads|n_heads?|num_\w*heads"
HEAD_DIM = r"(\w+_)?head_dim|d_kv|kv_channels|dim_head|\w*_dim_head|attention_head_size|\w*d_head"
TAIL = r"\w*(dim|size|channels?|width|units|features|hidden)"
STAGES = r"\w*(hidden_sizes|embed_dims?|dims|channels|per_stage|conv_dim)"
LARGE = 64


@dataclass(frozen=True)
class Sizes:
    """
    Sizes that go together.

    Args:
        head: size of an attention head.
        heads: number of heads.
        keys: heads of keys and values, where fewer can be.
        widths: of the default models, the configuration's own first.
    """

    head: int
    heads: int
    keys: int
    widths: Sequence[int]

    def smaller(self, name: str, value: Any) -> Any:
        """The value for a small model."""
        if name in FEATURES:
            return type(value)(FEATURES[name]) if isinstance(value, list | tuple) else FEATURES[name]
        if "drop" in name and isinstance(value, float | int) and not isinstance(value, bool):
            return type(value)(0)
        if type(value) is int:
            return self._number(name, value)
        if value is None and name in NEEDED:
            return self._number(name, 2**20)
        if value is None and name == "head_dim":
            return self.head
        if isinstance(value, list | tuple) and value and all(type(v) is int for v in value):
            return type(value)(self._numbers(name, value))
        return value

    def _number(self, name: str, value: int) -> int:
        size = self._size(name)
        if size is not False:
            return value if size is None else min(size, value)
        return self._related(value) if re.fullmatch(TAIL, name) and value >= LARGE else value

    def _size(self, name: str) -> int | None:
        if re.fullmatch(SIZES[2][0], name):
            return self.keys
        for pattern, size in ((HEADS_OF, self.heads), (HEAD_DIM, self.head), *SIZES):
            if re.fullmatch(pattern, name):
                return size
        return False

    def _related(self, value: int) -> int:
        """Smaller or larger than the width of the model, if it was."""
        own = self.widths[0] if self.widths else LARGE
        return WIDTH if value in self.widths else WIDTH // 2 if value < own else 2 * WIDTH

    def _numbers(self, name: str, values: Sequence[int]) -> list[int]:
        """Sizes of stages keep their proportions, all others shrink one by one."""
        common = math.gcd(*values)
        if "heads" in name:
            return [value // common for value in values] if common else list(values)
        if re.fullmatch(STAGES, name) and common > 1:
            return [value // common * STAGE for value in values]
        return [self._number(name, value) for value in values]


def is_width(name: str) -> bool:
    """Is it how wide a model is, for the rest of the world?"""
    return name in ("hidden_size", "d_model", "n_embd", "dim", "embed_dim")
