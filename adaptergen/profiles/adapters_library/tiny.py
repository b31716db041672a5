"""Which arguments make the configuration of a model small, as the library's tests want it?

They are read off the configuration's own parameters; nothing is executed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

import libcst as cst

from adaptergen.source import SourceModule


WIDTH, LAYERS, HEADS, INNER = 32, 4, 4, 64
VOCABULARY = 5000  # what the library's tests draw tokens from
SMALL = (
    (r"hidden_size|d_model|n_embd|word_embed_proj_dim|embed_dim", WIDTH),
    (r"(num_)?(hidden_)?layers|n_layers?|num_hidden_layers", LAYERS),
    (r"num_attention_heads|num_heads|n_heads?|num_key_value_heads", HEADS),
    (r"head_dim", WIDTH // HEADS),
    (r"intermediate_size|ffn_dim|n_inner|d_ff", INNER),
)


def small_arguments(configuration: SourceModule | None, config_class: str) -> dict[str, object]:
    """Argument → value, in the order of the parameters."""
    defaults = default_arguments(configuration, config_class)
    layers = next((value for name, value in defaults.items() if re.fullmatch(SMALL[1][0], name)), None)
    found: dict[str, object] = {}
    for name, default in defaults.items():
        size = next((size for pattern, size in SMALL if re.fullmatch(pattern, name)), None)
        if size is not None:
            found[name] = size
        elif kinds := _kinds_of_layers(default, layers):
            found[name] = [[kinds, LAYERS // len(kinds)]]
    vocabulary = defaults.get("vocab_size")
    if not isinstance(vocabulary, int):
        found["vocab_size"] = vocabulary = VOCABULARY
    if defaults.get("pad_token_id") is None:  # heads that read the last token have to know where padding begins
        end = defaults.get("eos_token_id")
        found["pad_token_id"] = end if isinstance(end, int) and end < vocabulary else 0
    return found


def _kinds_of_layers(default: object, layers: object) -> list[object]:
    """`[[kinds, times]]`: what kinds of layers take turns, and how often, when that makes all of them."""
    match default:
        case [[[*kinds], int(times)]] if kinds and len(kinds) * times == layers and LAYERS % len(kinds) == 0:
            return list(kinds)
    return []


def default_arguments(configuration: SourceModule | None, config_class: str) -> Mapping[str, object]:
    """Parameter → default of the constructor of a configuration, as far as they are literals."""
    cls = configuration.classes.get(config_class) if configuration else None
    method = cls.methods.get("__init__") if cls else None
    if configuration is None or method is None:
        return {}
    return {
        parameter.name.value: _literal(configuration.code(parameter.default))
        for parameter in method.params.params
        if parameter.default is not None and isinstance(parameter, cst.Param)
    }


def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except ValueError:
        return None
