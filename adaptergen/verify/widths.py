"""How wide must the models of an architecture be? As usual, unless only broad ones run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel

from adaptergen.verify import inputs
from adaptergen.verify.tiny import BROAD, NARROW


def times_wider(base: type[PreTrainedModel], config: Callable[[int], Any]) -> int:
    """
    How many times wider than usual they are.

    Args:
        config: makes a configuration that is so many times wider.
    """
    return NARROW if _runs(base, config, NARROW) or not _runs(base, config, BROAD) else BROAD


def _runs(base: type[PreTrainedModel], config: Callable[[int], Any], times: int) -> bool:
    try:
        model = base._from_config(config(times)).eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            model(**inputs.batch(model, padded=True))
    except Exception:  # upstream refuses in whatever way it likes
        return False
    return True
