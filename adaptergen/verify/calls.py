"""How often does a forward call each module?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from torch import nn


Name = TypeVar("Name", bound=Hashable)


@contextmanager
def counted(modules: Mapping[Name, nn.Module]) -> Iterator[Counter[Name]]:
    """Count how often each module is called."""
    calls: Counter[Name] = Counter()
    handles = [
        module.register_forward_hook(lambda *_, path=path: calls.update([path])) for path, module in modules.items()
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()
