"""Several adapters in one batch learn what each would learn alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from adaptergen.verify.adapters import NAME, OTHER, AdapterForm, add_random, parameters
from adaptergen.verify.checks.composition import keeps_rows, kept_apart
from adaptergen.verify.exact import told_exactly
from adaptergen.verify.outputs import call, expect_close, floats, run
from adaptergen.verify.subjects import ModelCase, Subject
from tests_adapters.core.suite.forms import first_forms_of, thorough


Results = dict[str, Tensor]


class BatchTests:
    """Batches that are repeated for two adapters, or divided between them."""

    case: ClassVar[ModelCase]

    @thorough
    @pytest.mark.parametrize("block", ["Parallel", "BatchSplit"])
    def test_each_adapter_learns_from_its_rows(self, block: str) -> None:
        if not keeps_rows(self.case.base):
            pytest.skip("not everything in it has one row for each example")
        for form in first_forms_of(self.case, "bottleneck", "lora", "ia3", "prefix_tuning", "reft"):
            told_exactly(partial(expect_own_gradients, block=block))(self.case.base, form)


def expect_own_gradients(subject: Subject, form: AdapterForm, block: str) -> None:
    """Those of each adapter alone, on the rows that are its own."""
    model, blocks = subject.initialized(), subject.case.runtime
    add_random(model, subject.case, form, OTHER, seed=4)
    add_random(model, subject.case, form)
    inputs = subject.inputs(model, padded=True)
    kept = kept_apart(subject, inputs)
    if not kept(run(model, inputs)):
        pytest.skip("no result belongs to one example")
    if block == "Parallel":
        together = _gradients(model, blocks.Parallel(NAME, OTHER), inputs, lambda results: _weighed(kept(results), 2))
    else:
        setup = blocks.BatchSplit(NAME, OTHER, batch_sizes=[1, 1])
        together = _gradients(model, setup, inputs, lambda results: _weighed(kept(results)))
    for index, name in enumerate((NAME, OTHER)):
        own = None if block == "Parallel" else index
        alone = _gradients(model, name, inputs, lambda results, own=own: _weighed(kept(results), own=own))
        expect_close(together[name], alone[name], f"{form.label}: gradients of {name!r} in a {block}")


def _gradients(
    model: PreTrainedModel, setup: object, inputs: Results, weighed: Callable[[Results], Tensor]
) -> dict[str, Results]:
    """Of both adapters."""
    model.train_adapter(setup)
    model.eval()
    model.zero_grad()
    weighed(dict(floats(call(model, inputs)))).backward()
    return {
        name: {key: value.grad.clone() for key, value in parameters(model, name).items() if value.grad is not None}
        for name in (NAME, OTHER)
    }


def _weighed(results: Results, times: int = 1, own: int | None = None) -> Tensor:
    """
    A random sum of results: the same for each row however often a batch is repeated.

    Args:
        own: the half of the batch that counts; `None` for all of it.
    """
    drawn, total = torch.Generator().manual_seed(2), torch.zeros(())
    for value in results.values():
        weights = torch.randn(len(value) // times, *value.shape[1:], generator=drawn)
        finite = value.masked_fill(~value.isfinite(), 0.0)
        halves = [(part * weights).chunk(2) for part in finite.chunk(times)]
        total = total + sum(half.sum() for each in halves for half in (each if own is None else each[own : own + 1]))
    return total
