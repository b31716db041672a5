"""What does a forward call, how often, and with what?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeVar
from unittest.mock import patch

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from adaptergen.verify.places import core


Name = TypeVar("Name", bound=Hashable)
Norms = tuple[Any, ...]


@contextmanager
def hooked(handles: Iterable[RemovableHandle]) -> Iterator[None]:
    """The hooks of these handles are there inside alone."""
    registered = list(handles)
    try:
        yield
    finally:
        for handle in registered:
            handle.remove()


@contextmanager
def counted(modules: Mapping[Name, nn.Module]) -> Iterator[Counter[Name]]:
    """Count how often each module is called."""
    calls: Counter[Name] = Counter()
    handles = (
        module.register_forward_hook(lambda *_, path=path: calls.update([path])) for path, module in modules.items()
    )
    with hooked(handles):
        yield calls


@contextmanager
def noting_additions(
    runtime: ModuleType, note: Callable[[nn.Module, Tensor, Tensor | None, Norms], None]
) -> Iterator[None]:
    """Tell of each addition its slot, what it takes of the sub-layer, the residual, and the norms it is given."""
    layer_class = core(runtime, "layers").AdapterLayerMixin
    original = layer_class.adapter_layer_forward

    def noted(slot: nn.Module, hidden: Tensor, residual: Tensor | None, *norm: Any, **inner_norm: Any) -> Any:
        note(slot, hidden, residual, (*norm, *inner_norm.values()))
        return original(slot, hidden, residual, *norm, **inner_norm)

    with patch.object(layer_class, "adapter_layer_forward", noted):
        yield
