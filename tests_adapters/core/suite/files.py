"""Adapters on disk: from one class to another, with the whole model, and as a setup of several."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from msgspec.structs import replace
from transformers import PreTrainedModel

from adaptergen.verify.adapters import NAME, OTHER, AdapterForm, add_random, has_place, parameters
from adaptergen.verify.outputs import expect_close, expect_identical, run, upstream_does
from adaptergen.verify.subjects import ModelCase, Subject
from tests_adapters.core.suite.forms import first_forms_of, thorough


class FileTests:
    """Each method in one form."""

    case: ClassVar[ModelCase]

    @thorough
    def test_base_model_and_classes_around_it_read_each_other(self, further_subject: Subject, tmp_path: Path) -> None:
        if further_subject.is_part:
            pytest.skip("the base model is not in it")
        base = replace(further_subject, cls=self.case.base.cls)
        for form in first_forms_of(self.case):
            for writer, reader in ((base, further_subject), (further_subject, base)):
                if has_place(writer, form) and has_place(reader, form):
                    folder = tmp_path / form.method / writer.cls.__name__
                    expect_read(writer, reader, form, folder)

    @thorough
    def test_whole_models(self, subject: Subject, tmp_path: Path) -> None:
        """A folder of the model with folders of its adapters, in which everything comes back."""
        model, expected = subject.initialized(), {}
        forms = [form for form in first_forms_of(self.case) if has_place(subject, form)]
        inputs = subject.inputs(model, padded=True)
        for form in forms:
            add_random(model, self.case, form, form.method)
            expected[form.method] = run(model, inputs)
        model.save_pretrained(tmp_path)
        if not upstream_does(lambda: subject.cls.from_pretrained(tmp_path)):
            pytest.skip("upstream's own model is not read: it may need a library that another one stands for here")

        loaded = self.case.runtime.load_model(tmp_path, subject.cls, attn_implementation="eager").eval()

        _copy_computed(loaded, subject)
        for form in forms:
            loaded.set_active_adapters(form.method)
            # weights that were read lie elsewhere in memory, where sums may be made in another order
            expect_close(run(loaded, inputs), expected[form.method], f"{form.label} in a whole model")

    @thorough
    def test_setup_of_a_mixture(self, tmp_path: Path) -> None:
        """What mixes adapters is saved with them, and acts as before."""
        subject, fuse = self.case.base, self.case.runtime.Fuse
        for form in first_forms_of(self.case, "bottleneck"):
            model = subject.initialized()
            for name, seed in ((OTHER, 4), (NAME, 3)):
                add_random(model, self.case, form, name, seed=seed)
            model.add_adapter_fusion([NAME, OTHER], "dynamic", set_active=True)
            _randomize_mixture(model)
            inputs = subject.inputs(model, padded=True)
            expected = run(model, inputs)

            model.save_adapter_setup(tmp_path, fuse(NAME, OTHER))
            loaded = subject.initialized()
            loaded.load_adapter_setup(tmp_path, set_active=True)

            expect_identical(run(loaded, inputs), expected, "a mixture from a folder")


def expect_read(writer: Subject, reader: Subject, form: AdapterForm, folder: Path) -> None:
    """What one class wrote is the same adapter in another, seen from the base model."""
    saved, loaded = writer.initialized(), reader.initialized()
    add_random(saved, writer.case, form)
    saved.save_adapter(folder, NAME)
    loaded.load_adapter(folder)
    written, read = (parameters(model.base_model) for model in (saved, loaded))
    expect_identical(read, written, f"{form.label} of a {writer.label} in a {reader.label}")


def _copy_computed(loaded: PreTrainedModel, subject: Subject) -> None:
    """Some weights are computed, not saved; those of the test model are random all the same."""
    loaded.load_state_dict(subject.upstream().state_dict(), strict=False)


def _randomize_mixture(model: PreTrainedModel) -> None:
    drawn = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if f".{NAME},{OTHER}." in name:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=drawn))
