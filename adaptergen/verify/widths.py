"""How large must the models of an architecture be? As usual, unless only others run: broad, or with less in them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from adaptergen.verify import inputs
from adaptergen.verify.outputs import upstream_does
from adaptergen.verify.tiny import BROAD, NARROW


class Size(NamedTuple):
    """
    Args:
        times: how many times wider than usual they are.
        shares: several heads of queries have a head of keys together, where the configuration says that they can.
        parts: they have all parts that the configuration can have.
    """

    times: int = NARROW
    shares: bool = True
    parts: bool = True


SIZES = (Size(), Size(BROAD), Size(shares=False), Size(BROAD, shares=False), Size(parts=False))


def size_that_runs(base: type[PreTrainedModel], config: Callable[[Size], Any]) -> Size:
    """
    The first of them that runs, or one as wide and with as many parts that sees and hears more; the usual one, if none
    runs.

    Args:
        config: makes a configuration of a size.
    """
    first: Size | None = None
    for size in SIZES:
        if first is not None and (size.times > first.times or size.parts < first.parts):
            continue
        given = _taken(base, config, size)
        if given is None:
            continue
        if inputs.are_whole(base, given):
            return size
        first = first or size
    return first or SIZES[0]


def _taken(base: type[PreTrainedModel], config: Callable[[Size], Any], size: Size) -> Collection[str] | None:
    """Names of what a model of this size is run with, if it runs."""
    given: dict[str, Tensor] = {}

    def run() -> None:
        model = base._from_config(config(size), attn_implementation="eager").eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            given.update(inputs.batch(model, padded=True))
            model(**given)

    return given if upstream_does(run) else None
