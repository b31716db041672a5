"""Which parts of a model of upstream does nothing depend on, such as layers above the last one that is read?"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from adaptergen.verify.outputs import loss
from adaptergen.verify.subjects import Subject


def unread(subject: Subject, names: Iterable[str]) -> frozenset[str]:
    """Those of the parameters, adapters' own among them, that are below such a part."""
    model = subject.upstream()
    loss(model, subject.inputs(model, padded=False)).backward()
    parts = {path for path, module in model.named_modules() if path and _is_unread(module)}
    return frozenset(name for name in names if any(above in parts for above in _above(name)))


def _is_unread(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and all(parameter.grad is None for parameter in parameters)


def _above(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]
