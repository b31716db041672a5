"""How small is an attribute that is called so?"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from transformers import PreTrainedConfig

from adaptergen.verify.tiny.tokens import VOCABULARY


class Wide(int):
    """A size that is as many times larger as the model is wider."""


WIDTH, INNER, STAGE = Wide(32), Wide(48), Wide(8)
HEADS, POSITIONS, IMAGE, PATCH = 4, 64, 16, 4
NARROW, BROAD = 1, 6  # times; some parts are a sixth, a 32nd or a 64th of a model, and must not be nothing

Sized = tuple[tuple[str, int | None], ...]  # patterns, and the largest number for what is called so

# The first pattern that matches an attribute's name decides; a number that is smaller already stays, None keeps any.
SIZES: Sized = (
    (r"downsampling_ratios", 2),
    (r"num_channels|in_chans|input_channels|\w*(kernel|stride|padding|dilation|ratio|scale)\w*", None),
    (r"num_mel_bins|mel_dim|\w*_mel_bins|n_mels|input_feat_per_channel", 8),
    (r"kv_lora_rank", 16),
    (r"\w*_rank", 8),
    (r"\w*codebook_size|num_embeddings|num_embeds", 64),
    (r"\w*vocab(_size)?\w*", VOCABULARY),
    (
        r"(\w+_)?intermediate_(size|dim)|(\w+_)?(ffn|feed_?forward)_(hidden_)?(size|dim)|(\w+_)?d_ff|n_inner|d_inner|"
        r"inner_dim|\w*dim_feedforward|\w*linear_units|hidden_dim",
        INNER,
    ),
    (r"projection_dim|output_dim|bottleneck_features", WIDTH),  # the last are fused: as wide as all hidden states
    (r"pos_emb_(height|width)", IMAGE),
    (r"(\w+_)?hidden_size(_global)?|d_model|d_latents|n_embd|dim|embed_dim|emb_dim", WIDTH),
    (
        r"\w*max\w*_position(_embedding)?s|n_positions|n_ctx|max_seq_len|max_pos_emb|max_length|model_max_length",
        POSITIONS,
    ),
    (r"\w*(image|img|crop|spec)_size|image_resolution", IMAGE),
    (r"visual_prompt_size|depths", 2),
    (r"coordinate_size", 6),  # four coordinates and two lengths are as wide as a model
    (r"shape_size", (WIDTH - 4 * 6) // 2),
    (r"key_dim", STAGE),
    (r"base_channels", 32),  # normed in as many groups
    (r"num_pos_feats", Wide(WIDTH // 2)),
    (r"image_embedding_size|mm_tokens_per_image|\w*soft_tokens_per_image", IMAGE // PATCH),
    (r"upsample_initial_channel", 64),
    (r"patch_length|patch_stride", 8),
    (r"(\w*patch|tubelet)_size", PATCH),
    (r"\w*window_size|sliding_window(_size)?|local_attention|attention_(chunk_size|window)|chunk_size", 4),
    (r"\w*num_(local_|routed_)?experts|n_routed_experts", 4),
    (r"num_experts_per_tok(en)?|\w*moe_(topk|top_k|k)|top_k_experts|num_selected_experts|n_group|num_expert_group", 2),
    (r"topk_group|\w*shared_experts", 1),
    (r"\w*n_groups", 2),
    (r"num_output_groups|keypoint_decoder_dim", None),  # one for each pixel of a cell, and one for none of them
    (r"\w*(d_state|state_size)", 8),
    (r"rotary_dim|qk_rope_head_dim", 4),
    (r"num_\w*rope_pairs\w*", 1),
    (r"\w*num_queries|num_query_tokens|latent_query_num|num_latents|prediction_length", 8),
    (r"num_self_attends_per_block", 2),
    (r"context_length", 32),
    (r"downsampling_rate", 2),
    (r"label_length", 4),
)
INDEX: Sized = ((r"index\w*_(topk|budget)", 4), (r"index\w*_ratio", 2), (r"indexer_kv_heads", 1), (r"index_kpool", 2))
STAGED: Sized = (
    (r"\w*embed_dim", 2 * STAGE),
    (r"patch_embeds_hidden_size", WIDTH // 8),  # twice as wide in each of three more stages
    (r"\w*(image|img|spec)_size", 64),
    (r"\w*window_size", 2),
)
HEARD: Sized = ((r"num_mel_bins", 32),)  # of pictures of sounds, whose last stage has at least as many frequencies
SEEN: Sized = ((r"max_img_size", 64),)  # by a backbone whose last map is halved once more
# What trained models have, though it is not the default.
FEATURES: dict[str, Any] = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
# What multiplies all widths, and all numbers of layers: the last width of those that are known becomes the usual one.
SCALES = {"width_coefficient": 0.1, "depth_coefficient": 0.1}
# So that layers are not left out where a model is sure, patches are more than a byte, and points that are found few.
SURE: dict[str, Any] = {
    "depth_confidence": -1.0,
    "width_confidence": -1.0,
    "patching_threshold": 3.5,
    "max_keypoints": 8,
}
KEYS_OF = r"\w*(key_value|kv)(_attention)?_heads\w*|n_head_kv"
HEADS_OF = r"(\w+_)?(num_)?(attention_)?heads|n_heads?|num_\w*heads"
MAMBA_HEAD = r"mamba_d_head"
HEAD_DIM = r"(\w+_)?head_dim|d_kv|kv_channels|dim_head|\w*_dim_head|attention_head_size|\w*d_head"
TAIL = r"\w*(dims?|hidden_dimension|size|channels?|width|units|features|hidden|groups)"
STAGES = r"\w*(hidden_sizes|embed_dims?|dims|channels|channel_list|dim_per_stage|conv_dim|out_features)"
NECK = "downsample_channels"  # on the way to another part, which is as wide as the last
BLOCKS = "block_configs"  # they say how wide each block is, and stay as they are
LARGE = 64
SMALL_PICTURE = 100  # pixels: a patch that is larger is a picture of its own


class Sizes(Struct, frozen=True):
    """
    Sizes that go together.

    Args:
        head: size of an attention head.
        heads: number of heads.
        keys: heads of keys and values, where fewer can be.
        widths: of the default models, the configuration's own first.
        default: all attributes, as they are by default.
        times: how much wider it is than usual.
    """

    head: int
    heads: int
    keys: int
    widths: Sequence[int]
    default: Mapping[str, Any]
    times: int = NARROW

    def smaller(self, name: str, value: Any) -> Any:
        """The value for a small model."""
        if name in FEATURES:
            return type(value)(FEATURES[name]) if isinstance(value, list | tuple) else FEATURES[name]
        if name in SCALES and isinstance(value, float):
            return min(SCALES[name], value)
        if name in SURE:
            return SURE[name]
        if "drop" in name and isinstance(value, float | int) and not isinstance(value, bool):
            return type(value)(0)
        if type(value) is int:
            return self._number(name, value)
        if isinstance(value, list | tuple) and value and all(type(v) is int for v in value):
            return type(value)(self._numbers(name, value))
        return value

    def _number(self, name: str, value: int) -> int:
        own = ((KEYS_OF, self.keys), (MAMBA_HEAD, 2 * WIDTH // HEADS), (HEADS_OF, self.heads), (HEAD_DIM, self.head))
        related = (*self._in_stages(), *self._in_pixels(value), *self._in_parts(name, value), *self._of_stage(value))
        for pattern, size in (*related, *INDEX, *own, *SIZES):
            if re.fullmatch(pattern, name):
                small = self._inner(value) if size is INNER else size
                times = self.times if isinstance(size, Wide) else 1
                return value if small is None else min(times * small, value)
        return self.times * self._related(value) if re.fullmatch(TAIL, name) and value >= LARGE else value

    def _in_stages(self) -> Sized:
        """Where each stage halves the image, and doubles the width."""
        staged = any(
            isinstance(self.default.get(name), list | tuple)
            for name in ("depths", "num_heads", "hidden_sizes", "strides", "blocks_per_stage")
        )
        overlapping = any(isinstance(self.default.get(n), list | tuple) for n in ("patch_stride", "patch_padding"))
        halved = type(self.default.get("output_stride")) is int  # so often that the last stage is not one pixel wide
        sized = STAGED if staged or halved or "num_windows" in self.default else ()
        seen = any(hasattr(part, "out_indices") for part in self.default.values())
        sized = (*sized, *(HEARD if "spec_size" in self.default else ()), *(SEEN if seen else ()))
        patch = self.default.get("patch_size")
        if halved and type(patch) is int:  # two patches in each direction of what is left
            sized = ((r"image_size", 2 * patch * self.default["output_stride"]), *sized)
        return (*sized, *(((r"patch_size", None),) if overlapping or "stride" in self.default else ()))

    def _in_pixels(self, value: int) -> Iterator[tuple[str, int | None]]:
        """What is measured in pixels or made of several patches: windows, parts of a picture, patches side by side."""
        if "patch_size" in self.default and "spatial_merge_size" in self.default:
            yield r"window_size", 2 * PATCH
        if value > SMALL_PICTURE:
            yield r"patch_size", IMAGE
        if "upsampling_ratios" in self.default:
            yield r"num_filters", STAGE  # twice as wide after each of several steps
        if "downsampling_ratios" in self.default:
            yield r"encoder_hidden_size", STAGE
            yield r"num_filters", STAGE // 4  # after more of them
        if "part_features" in self.default:  # of bodies, in patches that are padded with two pixels
            yield r"patch_size", 2 * PATCH
        if not any(is_width(name) for name in self.default):
            yield r"hidden_dim", WIDTH
        for part in self.default.values():
            merged = getattr(part, "merge_size", 0)
            if merged and value == getattr(part, "hidden_size", 0) * merged**2:
                yield r"out_hidden_size", Wide(WIDTH * merged**2)
            if type(made := getattr(part, "output_dim", None)) is int and value > made:  # by what it is put beside
                yield r"\w*inputs_size", Wide(WIDTH) + value - made
            if scale := getattr(part, "width_coefficient", 0):
                yield r"projection_dim", int(SCALES["width_coefficient"] * value / scale)
        if type(rate := self.default.get("downsample_rate")) is int:
            yield r"window_size", 2 * rate
        if "num_mel_bins" in self.default and value % self._width == 0:  # so that frames side by side are as wide
            yield r"intermediate_size", Wide(WIDTH * value // self._width)
        ratio = self.default.get("pixel_shuffle_ratio")
        if isinstance(ratio, float) and 0 < ratio < 1:
            yield r"intermediate_size", Wide(WIDTH / ratio**2)

    def _in_parts(self, name: str, value: int) -> Sized:
        """Heads whose queries and keys consist of a part that is turned, and one that is not."""
        if name in ("qk_rope_head_dim", "qk_nope_head_dim"):
            return ()
        turned, still = (self.default.get(f"qk_{part}_head_dim") for part in ("rope", "nope"))
        if type(turned) is int and type(still) is int and value == turned + still:
            return ((HEAD_DIM, self._number("qk_rope_head_dim", turned) + self._number("qk_nope_head_dim", still)),)
        return ()

    def _of_stage(self, value: int) -> Iterator[tuple[str, int | None]]:
        """As wide as a stage of a backbone, the stages of which keep their proportions."""
        for part in self.default.values():
            stages = vars(part) if isinstance(part, PreTrainedConfig) else {}
            if any(is_stages(name, widths) and value in widths for name, widths in stages.items()):
                yield r"\w*_feat_dim", value // _unit(stages) * STAGE

    def _inner(self, value: int) -> int:
        """Narrower than the model, if it was."""
        width = self._width
        return INNER if value >= width else max(STAGE, -(-WIDTH * value // width // 8) * 8)

    def _related(self, value: int) -> int:
        """Smaller or larger than the width of the model, if it was."""
        return WIDTH if value in self.widths else WIDTH // 2 if value < self._width else 2 * WIDTH

    @property
    def _width(self) -> int:
        return self.widths[0] if self.widths else LARGE

    def _numbers(self, name: str, values: Sequence[int]) -> list[int]:
        """Sizes of stages keep their proportions, all others shrink one by one."""
        if "heads" in name:
            if name.endswith("per_layer"):
                return [self._heads_of_layer(value) for value in values]
            common = math.gcd(*values)
            return [value // common for value in values] if common else list(values)
        if name.endswith("channels") and BLOCKS in self.default:
            return list(values)
        if name == NECK:
            return [*(self.times * WIDTH // 2 for _ in values[1:]), self.times * WIDTH]
        if re.fullmatch(STAGES, name):
            return [
                self.times * (self._related(v) if v in self.widths else v // _unit(self.default) * STAGE)
                if v >= STAGE
                else v
                for v in values
            ]
        return [self._number(name, value) for value in values]

    def _heads_of_layer(self, value: int) -> int:
        """More than the other layers have, or fewer, if it were so."""
        usual = self.default.get("num_attention_heads")
        if type(usual) is not int or value == usual:
            return self.heads
        return 2 * self.heads if value > usual else max(1, self.heads // 2)


def _unit(attributes: Mapping[str, Any]) -> int:
    """What all widths of stages are multiples of."""
    widths = (v for name, value in attributes.items() if is_stages(name, value) for v in value)
    return math.gcd(*(width for width in widths if width >= STAGE)) or 1


def is_stages(name: str, value: Any) -> bool:
    """A width for each stage, of which none is left out?"""
    numbers = isinstance(value, list | tuple) and all(type(v) is int for v in value)
    return numbers and re.fullmatch(STAGES, name) is not None


def is_width(name: str) -> bool:
    """Is it how wide a model is, for the rest of the world?"""
    return name in ("hidden_size", "d_model", "n_embd", "dim", "embed_dim")
