"""How are weights read that are elsewhere: where accelerate has put them, or spread over processes?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from torch import nn

from generated.core.layers.sharding import whole_weights


@contextmanager
def weights_at_hand(module: nn.Module) -> Iterator[None]:
    """Let accelerate bring the weights of a module, as it does around a forward."""
    hook = getattr(module, "_hf_hook", None)
    if hook is None:
        yield
        return
    hook.pre_forward(module)
    try:
        yield
    finally:
        hook.post_forward(module, None)


@contextmanager
def at_hand(parts: Iterable[nn.Module]) -> Iterator[None]:
    """Let accelerate bring the weights of these modules where they are offloaded, FSDP where they are sharded."""
    with ExitStack() as stack:
        for part in dict.fromkeys(parts):
            stack.enter_context(weights_at_hand(part))
            stack.enter_context(whole_weights(part))
        yield
