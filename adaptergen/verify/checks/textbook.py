"""Does a prefix do what the formula says? Compared with upstream's own model, whose attention is written out anew.

Nothing of the runtime runs in that model but what makes the keys and values of a prefix: no mask is extended, no cache
and no place in a forward matters, because the prefix joins inside of the attention function itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from adaptergen.verify import places
from adaptergen.verify.adapters import NAME, AdapterForm, add_random
from adaptergen.verify.calls import counted
from adaptergen.verify.checks.attention import at_words
from adaptergen.verify.exact import told_exactly
from adaptergen.verify.outputs import expect_close, run, upstream_does
from adaptergen.verify.subjects import Subject


FUNCTION = "eager_attention_forward"  # how names of the function that eager attention is end in modeling files

Prefix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # keys and values → those that stand in front of them


@told_exactly
def prefix_does_what_the_formula_says(subject: Subject, form: AdapterForm) -> None:
    """The keys and values of a prefix are seen from everywhere, with nothing added to their scores."""
    model, upstream = subject.initialized(), subject.upstream()
    add_random(model, subject.case, form)
    prefixes = {
        path: _made_by(attention.prefix_tuning)
        for path, attention in _attentions(subject, model)
        if NAME in attention.prefix_tuning.held
    }
    for padded in (False, True):
        inputs = subject.inputs(upstream, padded=padded)
        with _textbook(upstream, prefixes):
            expected = run(upstream, inputs)
        mask = inputs.get("attention_mask")
        what = f"with a prefix, {'padded' if padded else 'not padded'}"
        expect_close(at_words(run(model, inputs), mask), at_words(expected, mask), what)


def reads_by_the_textbook(subject: Subject) -> bool:
    """Is all attention that takes prefixes that of textbooks? Others have sinks, windows or terms of their own."""
    upstream = subject.upstream()
    with_prefixes = {path: upstream.get_submodule(path) for path, _ in _attentions(subject, subject.initialized())}
    inputs = subject.inputs(upstream, padded=True)

    def gives_the_same() -> None:
        expected = run(upstream, inputs)
        with _textbook(upstream, {}) as attended, counted(with_prefixes) as calls:
            actual = run(upstream, inputs)
        expect_close(actual, expected, "written out")
        assert {path for path in with_prefixes if calls[path]} <= attended

    return bool(with_prefixes) and upstream_does(gives_the_same)


def _attentions(subject: Subject, model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every attention with a place for prefixes, by its path, which is the same in upstream's model."""
    paths = {module: path for path, module in model.named_modules()}
    for layer in places.placed_layers(subject.case.runtime, model.base_model):
        for site in layer.sites.attention:
            attention = places.module_at(subject.case.runtime, layer.module, site)
            if attention is not None:
                yield paths[attention], attention


def _made_by(shim: Any) -> Prefix:
    """What a place of the runtime has in front of keys and values of these widths."""

    def made(key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        keys, values = shim.prefixes[NAME].key_values(like=key)
        return keys, values

    return made


@contextmanager
def _textbook(upstream: nn.Module, prefixes: Mapping[str, Prefix]) -> Iterator[set[str]]:
    """Eager attention is written out, with these prefixes; gives the paths of those that attend so."""
    paths = {module: path for path, module in upstream.named_modules()}
    attended: set[str] = set()

    def attention(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None = None,
        scaling: float | None = None,
        position_bias: Tensor | None = None,
        **others: object,
    ) -> tuple[Tensor, None]:
        attended.add(paths[module])
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        prefix = prefixes.get(paths[module], _nothing)(key, value)
        added = [each[..., : key.shape[-2]] for each in (position_bias, attention_mask) if each is not None]
        return attend(query, key, value, added, scale, prefix), None

    with ExitStack() as stack:
        for file in {sys.modules[type(module).__module__] for module in paths}:
            for name in [name for name in vars(file) if name.endswith(FUNCTION)]:
                stack.enter_context(patch.object(file, name, attention))
        yield attended


def attend(
    query: Tensor, key: Tensor, value: Tensor, added: Iterable[Tensor], scale: float, prefix: tuple[Tensor, Tensor]
) -> Tensor:
    """
    (batch, length, heads, width): what is read of keys and values, and of a prefix that nothing hides.

    Args:
        query: (batch, heads, length, width); keys and values may have fewer heads, each for several queries.
        added: to the scores of the real keys, such as a mask.
    """
    groups = query.shape[1] // key.shape[1]
    key, value, before, first = (each.repeat_interleave(groups, dim=1) for each in (key, value, *prefix))
    scores = sum(added, scale * (query @ key.mT))
    weights = torch.cat([scale * (query @ before.mT), scores], dim=-1).softmax(-1)
    return (weights @ torch.cat([first, value], dim=-2)).transpose(1, 2).contiguous()


def _nothing(key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    return key[..., :0, :], value[..., :0, :]
