"""Does an adapter act, learn, and learn alone?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from adaptergen.verify.adapters import NAME, OTHER, AdapterForm, add_random, parameters
from adaptergen.verify.calls import hooked
from adaptergen.verify.outputs import CheckFailed, call, expect_close, expect_effect, floats, loss, run, upstream_does
from adaptergen.verify.subjects import Subject
from adaptergen.verify.unread import unmoved, unread, words_meet


def adapter_has_an_effect(subject: Subject, form: AdapterForm) -> None:
    model = subject.initialized()
    inputs = subject.inputs(model, padded=True)
    without = run(model, inputs)
    add_random(model, subject.case, form)
    expect_effect(run(model, inputs), without, "with a random adapter")


def gradients_reach_the_adapter_alone(subject: Subject, form: AdapterForm) -> None:
    """Every trainable weight gets a gradient, nothing else does, and a step of SGD moves only these."""
    model = _training_one_of_two(subject, form)
    expected = {*parameters(model), *(name for name, value in model.named_parameters() if _is_of_head(model, value))}
    _expect_same(_named(model, lambda value: value.requires_grad), expected, "trainable")
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    with _given_zeros(model) as idle:  # nothing is dropped in either mode, and some models want labels in training
        loss(model.eval(), subject.inputs(model, padded=False)).backward()
    if not expected <= _named(model, lambda value: value.grad is not None):
        expected -= unread(subject, expected, model)
    _expect_same(_named(model, lambda value: value.grad is not None), expected, "with a gradient")
    changed = _named(model, lambda value: value.grad is not None and bool(value.grad.any()))
    trainable = [value for value in model.parameters() if value.requires_grad]
    torch.optim.SGD(trainable, lr=1e6).step()  # however small a gradient is
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    if not expected <= (changed & moved) | idle:
        idle |= unmoved(subject, expected, _training_one_of_two(subject, form).eval())
        idle |= expected if form.method == "prompt_tuning" and not words_meet(subject) else set()
    _expect_same(changed | idle, expected, "not zero")
    _expect_same(moved | idle, expected, "moved by a step")


def _training_one_of_two(subject: Subject, form: AdapterForm) -> PreTrainedModel:
    model = subject.initialized()
    add_random(model, subject.case, form, OTHER)
    add_random(model, subject.case, form)
    model.train_adapter(NAME)
    return model


@contextmanager
def _given_zeros(model: nn.Module) -> Iterator[set[str]]:
    """Weights of the adapter that are multiplied by nothing but zeros: queries of a first layer can start as zeros."""
    idle: set[str] = set()
    weights: dict[str, set[str]] = {}
    for name in parameters(model):
        if ".loras." in name or name.endswith(".weight"):
            host = name.partition(".loras.")[0] if ".loras." in name else name.rpartition(".")[0]
            weights.setdefault(host, set()).add(name)

    def note(path: str, given: tuple[Any, ...]) -> None:
        if given and isinstance(given[0], Tensor) and not bool(given[0].any()):
            idle.update(weights[path])

    handles = [
        module.register_forward_pre_hook(lambda _, given, path=path: note(path, given))
        for path, module in model.named_modules()
        if path in weights
    ]
    with hooked(handles):
        yield idle


def checkpointing_equals_plain(subject: Subject, form: AdapterForm) -> None:
    """Gradient checkpointing gives the same gradients."""
    plain, saving = (_gradients(subject, form, checkpointing=checkpointing) for checkpointing in (False, True))
    expect_close(saving, plain, "gradients with checkpointing")


def supports_checkpointing(subject: Subject) -> bool:
    """
    Whether upstream's model gives the same with it when all weights are frozen: some write in place, or take from a
    cache what they make anew without one.
    """
    if not subject.cls.supports_gradient_checkpointing:
        return False
    model = subject.upstream().train().requires_grad_(False)
    inputs = subject.inputs(model, padded=False)

    def gives_the_same() -> None:
        plain = dict(floats(call(model, inputs)))
        model.gradient_checkpointing_enable()
        expect_close(dict(floats(call(model, inputs))), plain, "with checkpointing")

    return upstream_does(gives_the_same)


def _gradients(subject: Subject, form: AdapterForm, *, checkpointing: bool) -> dict[str, Tensor]:
    model = subject.initialized()
    add_random(model, subject.case, form)
    model.train_adapter(NAME)
    if checkpointing:
        model.gradient_checkpointing_enable()
    loss(model, subject.inputs(model, padded=False)).backward()
    return {name: value.grad for name, value in parameters(model).items() if value.grad is not None}


def _is_of_head(model: PreTrainedModel, parameter: nn.Parameter) -> bool:
    """A fixed head is trained with the adapter, but for output embeddings."""
    frozen = model.get_output_embeddings()
    kept = set(frozen.parameters()) if frozen is not None else set()
    return parameter not in kept and any(parameter is own for _, own in model.head_parameters())


def _named(model: nn.Module, chosen: object) -> set[str]:
    return {name for name, value in model.named_parameters() if chosen(value)}  # type: ignore[operator]


def _expect_same(actual: set[str], expected: set[str], what: str) -> None:
    if actual != expected:
        missing, extra = sorted(expected - actual), sorted(actual - expected)
        raise CheckFailed(f"parameters {what}: missing {missing}, not expected {extra}")
