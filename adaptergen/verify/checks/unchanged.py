"""Is a model without an acting adapter upstream's own, to the last bit?"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from adaptergen.verify.adapters import NAME, AdapterForm, add_random, parameters
from adaptergen.verify.exact import told_exactly
from adaptergen.verify.outputs import CheckFailed, expect_close, expect_identical, run
from adaptergen.verify.subjects import Subject


# What makes an adapter neutral: weights whose names have this in them, and their value.
NEUTRAL = {"bottleneck": ("adapter_up", 0.0), "lora": ("lora_B", 0.0), "ia3": ("lora_B", 1.0)}


def equals_upstream(subject: Subject) -> None:
    """Prepared for adapters, a model computes, records and saves what it did before."""
    for attention in subject.attentions:
        upstream, model = subject.upstream(attention), subject.initialized(attention)
        for padded in (False, True):
            what = f"{attention}, {'padded' if padded else 'not padded'}"
            expect_identical(_recorded(subject, model, padded), _recorded(subject, upstream, padded), what)
    _expect_equal(list(model.state_dict()), list(upstream.state_dict()), "names of the weights")
    _expect_equal(_saved_architectures(model), _saved_architectures(upstream), "architectures in the saved config")


def idle_adapter_changes_nothing(subject: Subject, form: AdapterForm) -> None:
    """An adapter that is there and does not act, in any attention implementation."""
    for attention in subject.attentions:
        upstream, model = subject.upstream(attention), subject.initialized(attention)
        add_random(model, subject.case, form)
        model.set_active_adapters(None)
        for padded in (False, True):
            what = f"deactivated, {attention}, {'padded' if padded else 'not padded'}"
            expect_identical(_recorded(subject, model, padded), _recorded(subject, upstream, padded), what)


@told_exactly
def neutral_adapter_changes_nothing(subject: Subject, form: AdapterForm) -> None:
    """One that acts, and adds nothing or multiplies by one, leaves norms and residuals of each layer as they are."""
    if form.label not in NEUTRAL:
        return
    upstream, model = subject.upstream(), subject.initialized()
    add_random(model, subject.case, form)
    ending, value = NEUTRAL[form.label]
    with torch.no_grad():
        for name, parameter in parameters(model).items():
            if ending in name:
                parameter.fill_(value)
    inputs = subject.inputs(model, padded=True)
    expect_close(run(model, inputs), run(upstream, inputs), "with an adapter that adds nothing")


def deleting_leaves_no_trace(subject: Subject, form: AdapterForm) -> None:
    model = subject.initialized()
    before = _anatomy(model)
    add_random(model, subject.case, form)
    model.delete_adapter(NAME)
    _expect_equal(_anatomy(model), before, "after deleting the adapter, the modules")
    expect_identical(_recorded(subject, model, True), _recorded(subject, subject.upstream(), True), "deleted")


def _recorded(subject: Subject, model: PreTrainedModel, padded: bool) -> Mapping[str, Tensor]:
    """All results with hidden states, and with attentions where the implementation knows them."""
    attentions = {"output_attentions": True} if model.config._attn_implementation == "eager" else {}
    return run(model, subject.inputs(model, padded=padded), output_hidden_states=True, **attentions)


def _anatomy(model: nn.Module) -> dict[str, tuple[object, ...]]:
    """Class, attributes and hooks of every module by its path."""
    return {
        path: (type(module), *sorted(vars(module)), *module._parameters, *module._buffers, *_hooks(module))
        for path, module in model.named_modules()
    }


def _hooks(module: nn.Module) -> tuple[Any, ...]:
    return (*module._forward_hooks.values(), *module._forward_pre_hooks.values())


def _saved_architectures(model: PreTrainedModel) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return json.loads(Path(folder, "config.json").read_text(encoding="utf-8"))["architectures"]


def _expect_equal(actual: object, expected: object, what: str) -> None:
    if actual != expected:
        raise CheckFailed(f"{what}: {_difference(actual, expected)}")


def _difference(actual: object, expected: object) -> str:
    if isinstance(actual, dict) and isinstance(expected, dict):
        keys = [key for key in {**actual, **expected} if actual.get(key) != expected.get(key)]
        return f"{keys[0]!r} is {actual.get(keys[0])}, expected {expected.get(keys[0])}"
    return f"{actual}, expected {expected}"
