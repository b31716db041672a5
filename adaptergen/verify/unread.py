"""Which parts of a model of upstream does nothing depend on, such as layers above the last one that is read?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import nn

from adaptergen.verify.adapters import NAME
from adaptergen.verify.outputs import loss
from adaptergen.verify.subjects import Subject


def unread(subject: Subject, names: Iterable[str], model: nn.Module | None = None) -> frozenset[str]:
    """
    Those of the parameters or modules, adapters' own among them, that are below such a part.

    Args:
        model: with the adapter; what makes the prefixes of such parts alone is found in it.
    """
    upstream = subject.upstream()
    loss(upstream, subject.inputs(upstream, padded=False)).backward()
    parts = {path for path, module in upstream.named_modules() if path and _is_unread(module)}
    parts |= set(_unread_prefixes(model, parts)) if model is not None else set()
    return frozenset(name for name in names if _is_below(name, parts))


def _unread_prefixes(model: nn.Module, parts: set[str]) -> Iterator[str]:
    """Modules that make the prefixes of nothing but attentions that are not read."""
    prefixes = ((path, getattr(module, "prefixes", {})) for path, module in model.named_modules())
    held = [(path, own[NAME].source) for path, own in prefixes if NAME in own]
    for name, module in model.named_modules():
        readers = [path for path, source in held if source is module]
        if readers and all(_is_below(f"{path}.", parts) for path in readers):
            yield name


def _is_unread(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and all(parameter.grad is None for parameter in parameters)


def _is_below(name: str, parts: set[str]) -> bool:
    names = name.split(".")
    return any(".".join(names[:end]) in parts for end in range(1, len(names)))
