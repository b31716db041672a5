"""Which configuration makes an architecture small enough for tests, and still shows all of its structure?

Everything starts at upstream's default configuration, as an object: its sizes shrink by what the attributes are called
and by how they hang together, through all sub-configurations; what is optional and on by default stays on.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig

from adaptergen.verify.tiny.parts import whole
from adaptergen.verify.tiny.shrinking import small
from adaptergen.verify.tiny.sizes import BROAD, NARROW


__all__ = ["BROAD", "NARROW", "tiny_config"]


def tiny_config(
    config_class: type[PreTrainedConfig],
    given: Mapping[str, Any] | None = None,
    *,
    times: int = NARROW,
    shares: bool = True,
    parts: bool = True,
) -> PreTrainedConfig:
    """
    A small configuration without dropout. It is the caller's own, who may write into it.

    Args:
        config_class: any configuration class.
        given: attributes that a person has decided on; a mapping is for the attributes of a sub-configuration.
        times: how much wider it is than usual, for models of which a part would be nothing.
        shares: attentions have fewer heads of keys than of queries, where they can.
        parts: it has all that its class may have, also what it has not by default.
    """
    if given:
        return small(whole(config_class, parts=parts), given, times, shares=shares)
    key = config_class, times, shares, parts
    if key not in _MADE:
        _MADE[key] = small(whole(config_class, parts=parts), {}, times, shares=shares)
    return copy.deepcopy(_MADE[key])


_MADE: dict[tuple[type[PreTrainedConfig], int, bool, bool], PreTrainedConfig] = {}
