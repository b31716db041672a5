"""Which parts of a model of upstream does nothing depend on, such as layers above the last one that is read?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from adaptergen.verify.adapters import NAME
from adaptergen.verify.outputs import floats, loss
from adaptergen.verify.subjects import Subject


def unread(subject: Subject, names: Iterable[str], model: nn.Module | None = None) -> frozenset[str]:
    """
    Those of the parameters or modules, adapters' own among them, that are below such a part.

    Args:
        model: with the adapter; what makes the prefixes of such parts alone is found in it.
    """
    upstream = subject.upstream()
    with _outputs(upstream, _layers(model)) as outputs:
        loss(upstream, subject.inputs(upstream, padded=False)).backward()
    parts = {path for path, module in upstream.named_modules() if path and _is_unread(module)}
    if model is not None:
        parts |= {*_unread_prefixes(model, parts), *_unread_additions(model, upstream, outputs)}
    return frozenset(name for name in names if _is_below(name, parts))


def _layers(model: nn.Module | None) -> frozenset[str]:
    """Paths of the layers of a model that is prepared for adapters."""
    if not isinstance(model, PreTrainedModel):
        return frozenset()
    layers = {layer for _, layer in model.iter_layers()}
    return frozenset(path for path, module in model.named_modules() if module in layers)


@contextmanager
def _outputs(upstream: nn.Module, paths: Collection[str]) -> Iterator[dict[str, list[Tensor]]]:
    """The states that leave each of these layers, which keep their gradients."""
    outputs: dict[str, list[Tensor]] = {}

    def note(path: str, output: Any) -> None:
        states = next((value for _, value in floats(output)), None)
        if states is not None and states.requires_grad:
            states.retain_grad()
            outputs.setdefault(path, []).append(states)

    modules = ((path, module) for path, module in upstream.named_modules() if path in paths)
    handles = [
        module.register_forward_hook(lambda *given, path=path: note(path, given[-1])) for path, module in modules
    ]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def _unread_additions(model: nn.Module, upstream: nn.Module, outputs: Mapping[str, Sequence[Tensor]]) -> Iterator[str]:
    """What adapters add to layers themselves that nothing is read of but, for a cache, their keys and values."""
    known = {path for path, _ in upstream.named_modules()}
    layers = [path for path, states in outputs.items() if all(each.grad is None for each in states)]
    for path in layers:
        children = (f"{path}.{name}" for name, _ in model.get_submodule(path).named_children())
        yield from (child for child in children if child not in known)


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
