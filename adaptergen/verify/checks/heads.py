"""Is the flexible head that a fixed head becomes the same function?"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from tempfile import TemporaryDirectory
from typing import Any

from adaptergen.verify.outputs import expect_close, run
from adaptergen.verify.subjects import Subject


def flexible_head_equals_fixed_head(subject: Subject) -> None:
    """A checkpoint of a class with a fixed head, loaded as the adapter model, gives what the class gives."""
    if subject.cls.__name__ not in _convertible(subject):
        return
    for attention in subject.attentions:
        fixed = subject.upstream(attention)
        with TemporaryDirectory() as folder:
            fixed.save_pretrained(folder)
            flexible = subject.case.adapter_model_class.from_pretrained(folder, attn_implementation=attention).eval()
        # Some weights are computed, not saved; those of the test model are random all the same.
        flexible.base_model.load_state_dict(fixed.base_model.state_dict(), strict=False)
        for padded in (False, True):
            inputs = subject.inputs(fixed, padded=padded)
            expected, actual = run(fixed, inputs), run(flexible, inputs)
            if not expected.keys() <= actual.keys():  # some hand on what the base model says of pictures
                handed_on = run(fixed.base_model, inputs).keys() - actual.keys()
                expected = {key: value for key, value in expected.items() if key not in handed_on}
            what = f"the flexible head, {attention}, {'padded' if padded else 'not padded'}"
            expect_close({key: actual[key] for key in expected if key in actual}, expected, what)


def _convertible(subject: Subject) -> Mapping[str, Any]:
    tables = importlib.import_module(f"{subject.case.runtime.__name__}.core.heads.tables")
    found: Mapping[str, Any] = tables.convertible_heads(subject.case.package)
    return found
