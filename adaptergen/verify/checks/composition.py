"""Does a composition of adapters mean what its definition says?"""

from __future__ import annotations

import torch
from torch import nn
from transformers import PreTrainedModel

from adaptergen.verify.adapters import NAME, OTHER, AdapterForm, add_random, parameters
from adaptergen.verify.outputs import expect_close, expect_effect, expect_identical, run
from adaptergen.verify.subjects import Subject


def stack_of_one_is_that_one(subject: Subject, form: AdapterForm) -> None:
    model = subject.initialized()
    add_random(model, subject.case, form)
    inputs = subject.inputs(model, padded=True)
    alone = run(model, inputs)
    expect_identical(_run_with(model, subject.case.runtime.Stack(NAME), inputs), alone, "a stack of one")


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


def _run_with(model: PreTrainedModel, setup: object, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    model.set_active_adapters(setup)
    return run(model, inputs)


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
