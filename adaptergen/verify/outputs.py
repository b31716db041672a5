"""When are two outputs the same? Exactly, where nothing may differ; closely, where only the order of sums does."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy
import torch
from torch import Tensor, nn


TOLERANCE = 2e-4  # of float32 sums in another order, after layers with weights of std 0.3
EFFECT = 1e-3  # a difference that no order of sums makes
TRACE = 1e-9  # the same in float64


class CheckFailed(AssertionError):
    """A promise that a model does not keep; the message says how."""


class NotRun(CheckFailed):
    """A promise that nothing at hand puts to the test; the message says what would."""


def floats(output: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every floating-point tensor of an output with its path; caches are no results."""
    match output:
        case Tensor():
            if output.is_floating_point():
                yield path, output
        case Mapping():
            for key, value in output.items():
                yield from floats(value, f"{path}.{key}" if path else str(key))
        case list() | tuple():
            for index, value in enumerate(output):
                yield from floats(value, f"{path}[{index}]")


def call(model: nn.Module, inputs: Mapping[str, Any], **options: Any) -> Any:
    """What a forward gives; where it draws numbers, they are the same each time."""
    with same_numbers():
        return model(**inputs, **options)


@contextmanager
def same_numbers() -> Iterator[None]:
    """
    Whatever is drawn inside, with torch on the CPU, numpy or Python, is the same each time; outside, nothing has
    happened. (`torch.manual_seed` would write down a call for each kind of device that is not there, with its stack.)
    """
    states = random.getstate(), numpy.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        numpy.random.seed(0)
        random.seed(0)
        try:
            yield
        finally:
            random.setstate(states[0])
            numpy.random.set_state(states[1])


def run(model: nn.Module, inputs: Mapping[str, Any], **options: Any) -> dict[str, Tensor]:
    """The floating-point results of a forward without gradients."""
    with torch.no_grad():
        return dict(floats(call(model, inputs, **options)))


def upstream_does(something: Callable[[], object]) -> bool:
    """Does upstream's own model do it? It refuses in whatever way it likes."""
    try:
        something()
    except Exception:
        return False
    return True


def expect_identical(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str) -> None:
    _expect_same_keys(actual, expected, what)
    for key, value in expected.items():
        if not torch.equal(actual[key], value):
            raise CheckFailed(f"{what}: {key} differs by {_distance(actual[key], value):.2e}, and must not at all")


def expect_close(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str) -> None:
    _expect_same_keys(actual, expected, what)
    for key, value in expected.items():
        if not are_close(actual[key], value):
            distance, allowed = _distance(actual[key], value), _allowed(value)
            raise CheckFailed(f"{what}: {key} differs by {distance:.2e}, more than {allowed:.0e}")


def effect(states: Tensor) -> float:
    """The smallest difference that counts, of states of this precision."""
    return TRACE if states.dtype == torch.float64 else EFFECT


def are_close(actual: Tensor, expected: Tensor) -> bool:
    return _distance(actual, expected) <= _allowed(expected)


def _allowed(expected: Tensor) -> float:
    return TOLERANCE * max(1.0, float(expected.abs().max()))


def expect_effect(actual: Mapping[str, Tensor], without: Mapping[str, Tensor], what: str) -> None:
    if all(_distance(unsoftened(actual[key]), unsoftened(value)) < effect(value) for key, value in without.items()):
        raise CheckFailed(f"{what}: the output does not change")


def unsoftened(value: Tensor) -> Tensor:
    """The logarithms of probabilities, which tell what a softmax hides; anything else as it is."""
    total = value.sum(-1) if value.dim() > 1 else value
    is_softened = value.dim() > 1 and bool((value >= 0).all()) and are_close(total, torch.ones_like(total))
    return value.clamp_min(torch.finfo(value.dtype).tiny).log() if is_softened else value


def _expect_same_keys(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str) -> None:
    if not expected or actual.keys() != expected.keys():
        raise CheckFailed(f"{what}: the output has {sorted(actual)}, expected {sorted(expected)}")


def _distance(first: Tensor, second: Tensor) -> float:
    """Largest absolute difference; infinite for other shapes, zero where both are infinite alike."""
    if first.shape != second.shape:
        return float("inf")
    difference = torch.where(first == second, 0.0, (first - second).abs())
    return float(difference.max()) if difference.numel() else 0.0


def loss(model: nn.Module, inputs: Mapping[str, Any]) -> Tensor:
    """A random projection of all finite results: a norm at the end would hide most changes from a plain sum."""
    drawn = torch.Generator().manual_seed(2)
    results = [value.masked_fill(~value.isfinite(), 0.0) for _, value in floats(call(model, inputs))]
    return torch.stack([(value * torch.randn(value.shape, generator=drawn)).sum() for value in results]).sum()
