"""Which special tokens does a small vocabulary have, and where?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from transformers import PreTrainedConfig


VOCABULARY = 99
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
NAMES = r"\w*(token_id|token_ids|token_index|_id|_idx_token|vocab_offset)"


def is_token(name: str) -> bool:
    """Does the attribute hold a row of the vocabulary?"""
    return re.fullmatch(NAMES, name) is not None


def small_tokens(config: PreTrainedConfig) -> dict[int, int]:
    """Tokens that a small vocabulary has no room for → places at its end, the same for all configurations."""
    large = sorted({token for token in _tokens(config) if token >= VOCABULARY - len(TOKENS)})
    return {token: VOCABULARY - len(large) + place for place, token in enumerate(large)}


def _tokens(config: PreTrainedConfig) -> Iterator[int]:
    for name, value in vars(config).items():
        if isinstance(value, PreTrainedConfig):
            yield from _tokens(value)
        elif is_token(name) and name not in TOKENS:
            yield from _numbers(value)


def _numbers(value: Any) -> Iterator[int]:
    if isinstance(value, int) and not isinstance(value, bool):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(item)
