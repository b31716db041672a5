"""Which parts of a model of upstream does nothing depend on, such as layers above the last one that is read?"""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from textwrap import dedent
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from adaptergen.verify.adapters import NAME
from adaptergen.verify.calls import counted, hooked
from adaptergen.verify.inputs import words
from adaptergen.verify.outputs import floats, loss, run
from adaptergen.verify.subjects import Subject


NOTHING = 1e-20  # what is left of a gradient behind a mask of -100


def unread(subject: Subject, names: Iterable[str], model: nn.Module | None = None) -> frozenset[str]:
    """
    Those of the parameters or modules, adapters' own among them, that are such a part, or in one.

    Args:
        model: with the adapter; what makes the prefixes of such parts alone is found in it.
    """
    upstream = subject.upstream()
    layers = _layers(model)
    with _outputs(upstream, layers) as outputs, counted(dict(upstream.named_modules())) as calls:
        loss(upstream, subject.inputs(upstream, padded=False)).backward()
    parts = {path for path, module in upstream.named_modules() if path and _is_unread(module)}
    parts |= {*_not_called(layers, calls)}
    if model is not None:
        parts |= {*unread_prefixes(model, parts), *_unread_additions(model, upstream, outputs), *not_taken(model)}
    return frozenset(name for name in names if is_below(name, parts))


def unmoved(subject: Subject, names: Iterable[str], model: nn.Module | None = None) -> frozenset[str]:
    """
    Those below a map of which upstream's own weight gets no gradient, as that of keys where only one is seen.

    Args:
        model: with the adapter, which can make a softmax take one key alone: then the weight of the map itself gets
            no gradient in it.
    """
    upstream = subject.upstream()
    maps = {path for path, module in upstream.named_modules() if isinstance(_weight(module), nn.Parameter)}
    loss(upstream, subject.inputs(upstream, padded=False)).backward()
    still = {path for path in maps if not _moves(_weight(upstream.get_submodule(path)))}
    if model is not None:
        loss(model.requires_grad_(True), subject.inputs(upstream, padded=False)).backward()
        weights = {path: _weight(model.get_submodule(path)) for path in maps}
        still |= {path for path, weight in weights.items() if weight.grad is not None and not _moves(weight)}
    return frozenset(name for name in names if is_below(name, still))


def words_meet(subject: Subject) -> bool:
    """Does the first word change what upstream makes of those behind it? Not where each sees an encoder alone."""
    model = subject.upstream()
    given = subject.inputs(model, padded=False)
    name, _ = words(given)
    first = given[name].roll(1, dims=-1)[..., :1]
    results, others = run(model, given), run(model, {**given, name: torch.cat([first, given[name][..., 1:]], dim=-1)})
    return any(not torch.equal(value[:, 1:], others[key][:, 1:]) for key, value in results.items() if value.dim() > 2)


def _weight(module: nn.Module) -> Any:
    return getattr(module, "weight", None)


def _moves(weight: nn.Parameter) -> bool:
    return weight.grad is not None and float(weight.grad.abs().max()) > NOTHING


def not_taken(model: nn.Module) -> Iterator[str]:
    """Modules that stand in a branch that their holder never takes, by an attribute that it was built with."""
    for path, module in model.named_modules():
        for attribute, wanted, name in _attributes_tested(type(module).forward):
            if isinstance(value := getattr(module, attribute, None), bool) and value is not wanted:
                yield f"{path}.{name}" if path else name


@cache
def _attributes_tested(forward: Callable[..., Any]) -> tuple[tuple[str, bool, str], ...]:
    """(attribute, what it has to be, module that runs only then), of all `if self.attribute:` of a forward."""
    try:
        tree = ast.parse(dedent(inspect.getsource(inspect.unwrap(forward))))
    except (OSError, TypeError, SyntaxError):  # it was made while running, or is no function that stands alone
        return ()
    return tuple(_tested(tree))


def _tested(tree: ast.AST) -> Iterator[tuple[str, bool, str]]:
    everywhere = Counter(_of_self(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and (attribute := next(_of_self(node.test, direct=True), None)):
            for wanted, branch in ((True, node.body), (False, node.orelse)):
                inside = Counter(name for statement in branch for name in _of_self(statement))
                yield from ((attribute, wanted, name) for name, count in inside.items() if count == everywhere[name])


def _of_self(node: ast.AST, *, direct: bool = False) -> Iterator[str]:
    """Names of attributes of `self` in a piece of code, or of the one that it is."""
    for each in (node,) if direct else ast.walk(node):
        match each:
            case ast.Attribute(ast.Name("self"), name):
                yield name


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
    with hooked(handles):
        yield outputs


def _unread_additions(model: nn.Module, upstream: nn.Module, outputs: Mapping[str, Sequence[Tensor]]) -> Iterator[str]:
    """What adapters add to layers themselves that nothing is read of but, for a cache, their keys and values."""
    known = {path for path, _ in upstream.named_modules()}
    layers = [path for path, states in outputs.items() if all(each.grad is None for each in states)]
    for path in layers:
        children = (f"{path}.{name}" for name, _ in model.get_submodule(path).named_children())
        yield from (child for child in children if child not in known)


def unread_prefixes(model: nn.Module, parts: set[str]) -> Iterator[str]:
    """Modules that make the prefixes of nothing but attentions that are not read."""
    prefixes = ((path, getattr(module, "prefixes", {})) for path, module in model.named_modules())
    held = [(path, own[NAME].source) for path, own in prefixes if NAME in own]
    for name, module in model.named_modules():
        readers = [path for path, source in held if source is module]
        if readers and all(is_below(f"{path}.", parts) for path in readers):
            yield name


def _not_called(layers: Iterable[str], calls: Collection[str]) -> Iterator[str]:
    """Layers of which nothing is called. Their weights get gradients, if a model that is called shares them."""
    yield from (layer for layer in layers if not any(is_below(f"{path}.", {layer}) for path in calls))


def _is_unread(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and all(parameter.grad is None for parameter in parameters)


def is_below(name: str, parts: set[str]) -> bool:
    """Is it one of these, or in one of them?"""
    names = name.split(".")
    return any(".".join(names[:end]) in parts for end in range(1, len(names) + 1))
