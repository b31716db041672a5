"""Does an adapter that was saved and loaded, under its own or another name, act as before?"""

from __future__ import annotations

import tempfile

from adaptergen.verify.adapters import NAME, OTHER, AdapterForm, add_random
from adaptergen.verify.outputs import expect_identical, run
from adaptergen.verify.subjects import Subject


def saved_adapter_loads(subject: Subject, form: AdapterForm) -> None:
    model = subject.initialized()
    add_random(model, subject.case, form)
    inputs = subject.inputs(model, padded=True)
    expected = run(model, inputs)
    with tempfile.TemporaryDirectory() as folder:
        model.save_adapter(folder, NAME)
        for name in (NAME, OTHER):
            fresh = subject.initialized()
            fresh.load_adapter(folder, load_as=name, set_active=True)
            expect_identical(run(fresh, inputs), expected, f"loaded as {name!r}")
