"""Does a model with an adapter survive what people do to models: copy, pickle, compile, another type of numbers?"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import torch
from torch import Tensor, nn

from adaptergen.verify.adapters import AdapterForm, add_random
from adaptergen.verify.outputs import CheckFailed, expect_close, expect_identical, run, upstream_does
from adaptergen.verify.subjects import Subject


def copies_are_equal(subject: Subject, form: AdapterForm) -> None:
    """Copied in each way in which upstream's own model can be."""
    model = subject.initialized()
    add_random(model, subject.case, form)
    inputs = subject.inputs(model, padded=True)
    expected = run(model, inputs)
    for what, copied in (("a deep copy", copy.deepcopy), ("a pickled copy", _pickled)):
        if _can_be(copied, subject):
            expect_identical(run(copied(model), inputs), expected, what)


def _pickled(model: nn.Module) -> nn.Module:
    again: nn.Module = pickle.loads(pickle.dumps(model))
    return again


def _can_be(copied: Callable[[nn.Module], nn.Module], subject: Subject) -> bool:
    """A call may leave hooks behind, by which inner models record their states, that cannot be pickled."""
    upstream = subject.upstream()

    def copy_after_a_call() -> None:
        run(upstream, subject.inputs(upstream, padded=True))
        copied(upstream)

    return upstream_does(copy_after_a_call)


def can_be_cast(subject: Subject) -> bool:
    """Upstream's own model runs in bfloat16."""
    model = subject.upstream().to(torch.bfloat16)
    return upstream_does(lambda: run(model, _cast(subject.inputs(model, padded=True))))


def runs_in_bfloat16(subject: Subject, form: AdapterForm) -> None:
    """Cast after the adapter came, and added to a model that is in bfloat16 already: the same, and finite."""
    cast, native = subject.initialized(), subject.initialized().to(torch.bfloat16)
    add_random(cast, subject.case, form)
    cast.to(torch.bfloat16)
    add_random(native, subject.case, form)
    inputs = _cast(subject.inputs(cast, padded=True))
    results = run(cast, inputs)
    expect_identical(run(native, inputs), results, "in bfloat16 from the start")
    upstream = subject.upstream()
    expected = run(upstream, subject.inputs(upstream, padded=True))
    broken = [key for key, value in results.items() if _is_broken(value, expected.get(key))]
    if broken:
        raise CheckFailed(f"in bfloat16: {', '.join(broken)} not finite")


def _cast(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.bfloat16() if value.is_floating_point() else value for key, value in inputs.items()}


def _is_broken(value: Tensor, expected: Tensor | None) -> bool:
    """Is anything infinite that is not upstream's own way to say never?"""
    finite = value.isfinite()
    if expected is None or expected.shape != value.shape:
        return not bool(finite.all())
    return bool((expected.isfinite() & ~finite).any())


def compiles_to_one_graph(subject: Subject, form: AdapterForm) -> None:
    """`torch.compile(fullgraph=True)` gives the same results."""
    model = subject.initialized("sdpa" if "sdpa" in subject.attentions else "eager")
    add_random(model, subject.case, form)
    inputs = subject.inputs(model, padded=True)
    expected = run(model, inputs)
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    expect_close(run(compiled, inputs), expected, "compiled")


def can_be_compiled(subject: Subject) -> bool:
    """Upstream's own model can, and heads add nothing to what the base model shows."""
    if subject != subject.case.subjects[0]:
        return False
    model = subject.upstream("sdpa" if "sdpa" in subject.attentions else "eager")
    torch.compiler.reset()

    def run_compiled() -> None:
        run(torch.compile(model, fullgraph=True, backend="aot_eager"), subject.inputs(model, padded=True))

    return upstream_does(run_compiled)
