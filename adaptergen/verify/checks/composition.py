"""Does a composition of adapters mean what its definition says?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from transformers import PreTrainedModel

from adaptergen.verify import places
from adaptergen.verify.adapters import NAME, OTHER, AdapterForm, add_random, parameters
from adaptergen.verify.checks.attention import at_words
from adaptergen.verify.exact import told_exactly
from adaptergen.verify.outputs import (
    CheckFailed,
    expect_close,
    expect_effect,
    expect_identical,
    loss,
    run,
    upstream_does,
)
from adaptergen.verify.subjects import Subject
from adaptergen.verify.unread import unread


Results = dict[str, torch.Tensor]


def stack_of_one_is_that_one(subject: Subject, form: AdapterForm) -> None:
    model = subject.initialized()
    add_random(model, subject.case, form)
    inputs = subject.inputs(model, padded=True)
    alone = run(model, inputs)
    expect_identical(_run_with(model, subject.case.runtime.Stack(NAME), inputs), alone, "a stack of one")


@told_exactly
def stack_runs_all_of_it(subject: Subject, form: AdapterForm) -> None:
    """Each adapter of a stack has its effect; one that does nothing changes nothing, at either end."""
    model = subject.initialized()
    add_random(model, subject.case, form, OTHER, seed=4)
    add_random(model, subject.case, form)
    inputs, stack = subject.inputs(model, padded=True), subject.case.runtime.Stack
    alone, both = run(model, inputs), _run_with(model, stack(NAME, OTHER), inputs)
    expect_effect(both, alone, "the second adapter of a stack")
    expect_effect(both, _run_with(model, OTHER, inputs), "the first adapter of a stack")
    if form.label in NEUTRAL:
        NEUTRAL[form.label](model)
        expect_close(_run_with(model, stack(NAME, OTHER), inputs), alone, "a neutral adapter on top")
        expect_close(_run_with(model, stack(OTHER, NAME), inputs), alone, "a neutral adapter below")


def keeps_rows(subject: Subject) -> bool:
    """Does the model have one row for each example everywhere?"""
    towers = places.core(subject.case.runtime, "towers")
    return bool(towers.keeps_rows(subject.initialized().base_model))


@told_exactly
def each_row_has_its_own_adapter(subject: Subject, form: AdapterForm) -> None:
    """Divided, repeated and routed, a batch gives for each row what its adapter gives alone."""
    model, blocks = subject.initialized(), subject.case.runtime
    add_random(model, subject.case, form, OTHER, seed=4)
    add_random(model, subject.case, form)
    inputs = subject.inputs(model, padded=True)
    kept = kept_apart(subject, inputs)
    alone = {name: kept(_run_with(model, name, inputs)) for name in (NAME, OTHER, None)}
    if not alone[None]:
        return
    divided = kept(_run_with(model, blocks.BatchSplit(OTHER, NAME, batch_sizes=[1, 1]), inputs))
    expect_close(divided, _rows(alone[OTHER], alone[NAME]), "a divided batch")
    repeated = kept(_run_with(model, blocks.Parallel(NAME, OTHER), inputs))
    twice = [kept(_run_with(model, name, _all(_repeated, inputs))) for name in (NAME, OTHER)]
    expect_close(repeated, _rows(*twice), "a repeated batch")
    for names in ((None, NAME), (OTHER, None), (NAME, OTHER)):
        routed = kept(_run_with(model, blocks.Route(NAME, OTHER), inputs, adapter_names=list(names)))
        expected = _rows(*(alone[name] for name in names))
        mask = inputs.get("attention_mask")
        expect_close(at_words(routed, mask), at_words(expected, mask), f"a batch routed to {names}")


@told_exactly
def equals_mix_to_one(subject: Subject, form: AdapterForm) -> None:
    """Two adapters with the same weights, mixed in any way, do what one of them does."""
    model, blocks = subject.initialized(), subject.case.runtime
    for name in (OTHER, NAME):
        add_random(model, subject.case, form, name)
    inputs = subject.inputs(model, padded=True)
    alone = run(model, inputs)
    average = blocks.Average(NAME, OTHER, weights=[1, 1], normalize_weights=False)
    expect_close(_run_with(model, average, inputs), alone, "the average of equals")
    if not keeps_rows(subject):
        return
    split = blocks.Split(NAME, OTHER, splits=[2, None])
    expect_close(_run_with(model, split, inputs), alone, "a sequence that is split between equals")


def fusion_mixes(subject: Subject, form: AdapterForm) -> None:
    """A mixture of equals is one of them; it is trained alone, and each map of it has a gradient."""
    model = subject.initialized()
    for name in (OTHER, NAME):
        add_random(model, subject.case, form, name)
    inputs = subject.inputs(model, padded=True)
    alone = run(model, inputs)
    model.add_adapter_fusion([NAME, OTHER], "static", set_active=True)
    expect_close(run(model, inputs), alone, "a mixture of equals")
    add_random(model, subject.case, form, "third", seed=4)
    model.add_adapter_fusion([NAME, "third"], "dynamic")
    model.train_adapter_fusion([NAME, "third"])
    loss(model.eval(), inputs).backward()
    head = {name for name, _ in model.head_parameters()}
    outside_head = {name: each for name, each in model.named_parameters() if name not in head}
    trained = {name for name, each in outside_head.items() if each.grad is not None}
    expected = {name for name in outside_head if f".{NAME},third." in name}
    if not expected <= trained:
        expected -= unread(subject, expected, model)
    if trained != expected or not expected:
        raise CheckFailed(f"training a fusion reaches {sorted(trained)}, expected {sorted(expected)}")


def _run_with(
    model: PreTrainedModel, setup: object, inputs: dict[str, torch.Tensor], **options: object
) -> dict[str, torch.Tensor]:
    model.set_active_adapters(setup)
    return run(model, inputs, **options)


def kept_apart(subject: Subject, inputs: Results) -> Callable[[Results], Results]:
    """Leaves out what examples have in common: what does not follow them when they are exchanged or repeated."""
    model = subject.upstream()
    results = run(model, inputs)
    common = {key for key, value in results.items() if not value.dim() or len(value) < 2}
    for change in (_exchanged, _repeated):
        changed = run(model, _all(change, inputs))
        common |= {key for key, value in results.items() if not _is_close(changed[key], change(value))}
    common |= _of_own_length(model, inputs, results)
    return lambda output: {key: value for key, value in output.items() if key not in common}


def _of_own_length(model: PreTrainedModel, inputs: Results, results: Results) -> frozenset[str]:
    """Results as long as the model makes them, such as sounds: with other weights they have another length."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.neg_()
    others = dict(results)
    upstream_does(lambda: others.update(run(model, inputs)))
    return frozenset(key for key, value in results.items() if value.shape != others[key].shape)


def _all(change: Callable[[torch.Tensor], torch.Tensor], inputs: Results) -> Results:
    return {name: change(value) for name, value in inputs.items()}


def _exchanged(value: torch.Tensor) -> torch.Tensor:
    """The second half before the first."""
    return value.roll(len(value) // 2, 0) if value.dim() else value


def _repeated(value: torch.Tensor) -> torch.Tensor:
    return torch.cat([value, value]) if value.dim() and len(value) > 1 else value


def _is_close(value: torch.Tensor, expected: torch.Tensor) -> bool:
    return value.shape == expected.shape and bool(
        torch.allclose(value, expected, atol=1e-3, rtol=1e-3, equal_nan=True)
    )


def _rows(*outputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """One part of each output: the first of the first, the second of the second, and so on."""
    return {
        key: torch.cat([output[key].chunk(len(outputs))[number] for number, output in enumerate(outputs)])
        for key in outputs[0]
    }


def _fill(model: nn.Module, ending: str, value: float) -> None:
    """Set the weights of the second adapter at these places."""
    with torch.no_grad():
        for key, parameter in parameters(model, OTHER).items():
            if ending in key:
                parameter.fill_(value)


NEUTRAL = {
    "bottleneck": lambda model: _fill(model, "adapter_up", 0.0),
    "ia3": lambda model: _fill(model, "lora_B", 1.0),
}
