"""Can the weights of the model take up an adapter, and give it back?"""

from __future__ import annotations

from adaptergen.verify.adapters import NAME, AdapterForm, add_random
from adaptergen.verify.exact import exact_inputs, exact_model, runs_exactly
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
        if not runs_exactly(subject):
            raise
        _expect_the_same(subject, form, exact=True)


def _expect_the_same(subject: Subject, form: AdapterForm, *, exact: bool) -> None:
    model = subject.initialized()
    inputs = subject.inputs(model, padded=True)
    if exact:
        model, inputs = exact_model(model), exact_inputs(inputs)
    without = run(model, inputs)
    add_random(model, subject.case, form)
    expected = run(model, inputs)
    model.merge_adapter(NAME)
    expect_close(run(model, inputs), expected, "merged")
    model.reset_adapter()
    expect_identical(run(model, inputs), without, "merged and reset")
