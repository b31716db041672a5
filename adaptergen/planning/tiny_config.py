"""Which configuration makes the architecture small enough for tests, and still shows all of its structure?"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping


WIDTH, LAYERS, HEADS, INNER, VOCABULARY, POSITIONS = 32, 2, 4, 48, 99, 64

# The first pattern that matches an attribute's name decides; None leaves the default.
SIZES: tuple[tuple[str, int | None], ...] = (
    (r"pooler_output_size|projection_dim|num_channels|encoder_stride", None),
    (r"num_mel_bins", 8),
    (r"num_key_value_heads|n_head_kv|num_kv_heads", HEADS // 2),
    (r"(\w+_)?(num_)?(attention_)?heads|n_heads?|num_heads", HEADS),
    (r"head_dim|d_kv|kv_channels", WIDTH // HEADS),
    (r"(\w+_)?intermediate_size|(\w+_)?ffn_dim|d_ff|ffn_hidden_size|hidden_dim|n_inner|d_inner", INNER),
    (r"(\w+_)?hidden_size|d_model|n_embd|dim|embed_dim|embedding_size", WIDTH),
    (r"(\w+_)?(num_)?(hidden_)?layers|n_layers?|num_blocks", LAYERS),
    (r"vocab_size", VOCABULARY),
    (r"max_position_embeddings|n_positions|n_ctx|max_(source|target)_positions|max_seq_len", POSITIONS),
    (r"image_size", 16),
    (r"patch_size", 4),
    (r"window_size|sliding_window|local_attention", 4),
)
# What trained models have, though it is not the default.
FEATURES: dict[str, object] = {"relative_attention": True, "pos_att_type": "c2p|p2c"}
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}


def tiny_arguments(defaults: Mapping[str, str], constructor_values: Mapping[str, str]) -> dict[str, object]:
    """Arguments for the configuration class: sizes by what attributes are called, no dropout, tokens in range.

    `constructor_values` are defaults that the constructor fills in for attributes declared as None.
    """
    arguments: dict[str, object] = {}
    for name, written in defaults.items():
        default = _literal(written)
        size = next((size for pattern, size in SIZES if re.fullmatch(pattern, name)), None)
        if name in TOKENS:
            arguments[name] = TOKENS[name]
        elif name in FEATURES:
            arguments[name] = FEATURES[name]
        elif name.endswith("suppress_tokens") and default is not None:
            arguments[name] = ()
        elif "drop" in name and isinstance(default, float | int) and not isinstance(default, bool):
            arguments.update({name: 0.0} if default else {})
        elif size is not None and _takes_number(name, default):
            arguments[name] = size
    if _literal(defaults.get("is_encoder_decoder", "")) is True:
        arguments.setdefault("decoder_start_token_id", TOKENS["pad_token_id"])
    arguments.update(_layer_patterns(defaults, constructor_values))
    return arguments


def _takes_number(name: str, default: object) -> bool:
    """Sizes are set where a number is the default, and where None stands for a number that follows from others."""
    follows = name in ("num_key_value_heads", "head_dim")
    return (isinstance(default, int) and not isinstance(default, bool)) or (default is None and follows)


def _layer_patterns(
    defaults: Mapping[str, str], constructor_values: Mapping[str, str]
) -> Iterator[tuple[str, object]]:
    """`[[["global", "local"], 12]]` names the kind of every layer; its count must fit the number of layers."""
    for name in defaults:
        match _literal(constructor_values.get(name, "")) or _literal(defaults[name]):
            case [[[*kinds], int()]] if kinds:
                yield name, (((*kinds,), max(1, LAYERS // len(kinds))),)


def _literal(written: str) -> object:
    """The value of a literal or of arithmetic on literals such as `4 * 768`; None for anything else."""
    try:
        node = ast.parse(written, mode="eval").body
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            return int(ast.literal_eval(node.left)) * int(ast.literal_eval(node.right))
        return ast.literal_eval(node)
    except (ValueError, SyntaxError, TypeError):
        return None
