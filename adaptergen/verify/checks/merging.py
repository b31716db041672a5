"""Can the weights of the model take up an adapter, and give it back?"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from transformers import PreTrainedModel

from adaptergen.verify.adapters import NAME, AdapterForm, add_random
from adaptergen.verify.outputs import CheckFailed, expect_close, expect_identical, run
from adaptergen.verify.subjects import Subject


def merged_weights_do_the_same(subject: Subject, form: AdapterForm) -> None:
    """
    Merging keeps the outputs, and resetting restores those of the model.

    Deep models let roundings grow: where the outputs differ in float32, they are compared in float64.
    """
    try:
        _expect_the_same(subject, form, exact=False)
    except CheckFailed:
        if not _runs_exactly(subject):
            raise
        _expect_the_same(subject, form, exact=True)


def _expect_the_same(subject: Subject, form: AdapterForm, *, exact: bool) -> None:
    model = subject.initialized()
    inputs = subject.inputs(model, padded=True)
    if exact:
        model, inputs = _exact_model(model), _exact_inputs(inputs)
    without = run(model, inputs)
    add_random(model, subject.case, form)
    expected = run(model, inputs)
    model.merge_adapter(NAME)
    expect_close(run(model, inputs), expected, "merged")
    model.reset_adapter()
    expect_identical(run(model, inputs), without, "merged and reset")


def _runs_exactly(subject: Subject) -> bool:
    """Does upstream's own model know float64?"""
    model = subject.upstream()
    inputs = subject.inputs(model, padded=True)
    try:
        run(_exact_model(model), _exact_inputs(inputs))
    except Exception:  # upstream refuses in whatever way it likes
        return False
    return True


def _exact_model(model: PreTrainedModel) -> PreTrainedModel:
    model.set_experts_implementation("eager")  # others know no float64
    return model.double()


def _exact_inputs(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.double() if value.is_floating_point() else value for name, value in inputs.items()}
