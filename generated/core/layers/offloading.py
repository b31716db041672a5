"""How are weights read that accelerate has put elsewhere, and left modules without?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from torch import nn


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
    """Let accelerate bring the weights of these modules, where they are offloaded."""
    with ExitStack() as stack:
        for part in dict.fromkeys(parts):
            stack.enter_context(weights_at_hand(part))
        yield
