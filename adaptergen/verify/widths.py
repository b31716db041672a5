"""How large must the models of an architecture be? As usual, unless only others run: broad, or sharing no keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel

from adaptergen.verify import inputs
from adaptergen.verify.outputs import upstream_does
from adaptergen.verify.tiny import BROAD, NARROW


class Size(NamedTuple):
    """
    Args:
        times: how many times wider than usual they are.
        shares: several heads of queries have a head of keys together, where the configuration says that they can.
    """

    times: int = NARROW
    shares: bool = True


SIZES = (Size(), Size(BROAD), Size(shares=False), Size(BROAD, shares=False))


def size_that_runs(base: type[PreTrainedModel], config: Callable[[Size], Any]) -> Size:
    """
    The first of them that runs; the usual one, if none does.

    Args:
        config: makes a configuration of a size.
    """
    return next((size for size in SIZES if _runs(base, config, size)), SIZES[0])


def _runs(base: type[PreTrainedModel], config: Callable[[Size], Any], size: Size) -> bool:
    def run() -> None:
        model = base._from_config(config(size), attn_implementation="eager").eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            model(**inputs.batch(model, padded=True))

    return upstream_does(run)
