"""Can the weights of the model take up an adapter, and give it back?"""

from __future__ import annotations

from torch import nn

from adaptergen.verify.adapters import NAME, AdapterForm, add_random
from adaptergen.verify.exact import told_exactly
from adaptergen.verify.outputs import expect_close, expect_identical, run
from adaptergen.verify.subjects import Subject


@told_exactly
def merged_weights_do_the_same(subject: Subject, form: AdapterForm) -> None:
    """Merging keeps the outputs, and resetting restores those of the model."""
    model = subject.initialized()
    inputs = subject.inputs(model, padded=True)
    without = run(model, inputs)
    add_random(model, subject.case, form)
    expected = run(model, inputs)
    model.merge_adapter(NAME)
    expect_close(run(model, inputs), expected, "merged")
    model.reset_adapter()
    expect_identical(run(model, inputs), without, "merged and reset")


def owns_its_maps(subject: Subject) -> bool:
    """Does no map share its weight with another one, which would change with it? The runtime does not merge these."""
    weights = [module.weight for module in subject.upstream().modules() if isinstance(module, nn.Linear)]
    return len({*map(id, weights)}) == len(weights)
