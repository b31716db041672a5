"""The promises that every generated model keeps. A generated test module says only which model it is about.

class BertAdapterModelTest(AdapterModelTests):
    case = BERT
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from transformers import PreTrainedConfig, PreTrainedModel

from adaptergen.verify.adapters import (
    FORMS,
    NAME,
    OTHER,
    AdapterForm,
    add_random,
    has_place,
    parameters,
    supported_forms,
)
from adaptergen.verify.calls import hooked
from adaptergen.verify.checks import ADAPTER_CHECKS, AdapterCheck
from adaptergen.verify.checks.sites import unreached_places
from adaptergen.verify.checks.unchanged import equals_upstream
from adaptergen.verify.inputs import placeholders
from adaptergen.verify.outputs import expect_close, expect_identical, floats, run
from adaptergen.verify.proof import first_forms
from adaptergen.verify.subjects import ModelCase, Subject
from adaptergen.verify.unread import is_below, unread_prefixes
from generated.core.auto import AutoAdapterModel
from generated.core.towers import keeps_rows
from tests_adapters.core.heads.conversion_suite import ClassConversionSuite
from tests_adapters.core.heads.examples import NUM_LABELS, example_inputs, example_prompts
from tests_adapters.core.heads.random_models import changed, with_head
from tests_adapters.core.upstream.suite import UpstreamTests


__all__ = ["AdapterModelTests", "AdapterTests", "ClassConversionTests", "ModelCase"]

CHECKS = [
    pytest.param(check, id=check.name, marks=[pytest.mark.slow] if check.slow else []) for check in ADAPTER_CHECKS
]


# Classes with heads differ from their base model in what happens behind the layers: an adapter in the layers, one that
# is undone in front of the head, and one that makes the sequence longer show it. All others run in the slow suite.
SEEN_BY_HEADS = ("bottleneck", "invertible (nice)", "prompt_tuning")

each_share = pytest.mark.parametrize("share", ["some", pytest.param("rest", marks=pytest.mark.slow)])

# One form of each method is run on every architecture; the other forms are the same code in all of them, and run on
# those that stand for others.
thorough = pytest.mark.thorough
each_form = pytest.mark.parametrize("forms", ["first", pytest.param("further", marks=thorough)])


def forms_of(case: ModelCase, share: str) -> list[AdapterForm]:
    """Some forms of adapters, or the rest of them."""
    forms = [form for form in supported_forms(case) if (form.label in SEEN_BY_HEADS) == (share == "some")]
    if not forms:
        pytest.skip("the architecture takes none of these")
    return forms


LABELLED = (
    "classification",
    "dependency_parsing",
    "image_classification",
    "multilabel_classification",
    "tagging",
)


class AdapterTests:
    """Every class of the architecture, in every role that it can have, with every adapter method."""

    case: ClassVar[ModelCase]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        base, *others = self.case.subjects
        for name, subjects in (("subject", [base, *others]), ("further_subject", others)):
            if name in metafunc.fixturenames:
                marked = [pytest.param(each, marks=[thorough] if each is not base else []) for each in subjects]
                metafunc.parametrize(name, marked, ids=[subject.label for subject in subjects])

    def test_without_adapters(self, subject: Subject) -> None:
        equals_upstream(subject)

    @each_form
    @pytest.mark.parametrize("check", CHECKS)
    def test_base_model_with_adapters(self, check: AdapterCheck, forms: str) -> None:
        first = list(first_forms(self.case))
        further = [form for form in supported_forms(self.case) if form not in first]
        self.run_check(check, self.case.subjects[0], first if forms == "first" else further)

    @each_share
    @pytest.mark.parametrize("check", CHECKS)
    def test_with_adapters(self, further_subject: Subject, check: AdapterCheck, share: str) -> None:
        self.run_check(check, further_subject, forms_of(self.case, share))

    def run_check(self, check: AdapterCheck, subject: Subject, forms: list[AdapterForm]) -> None:
        if not check.applies(subject):
            pytest.skip("upstream's own model makes no such promise")
        for form in forms:
            if check.is_about(form) and has_place(subject, form):
                check.run(subject, form)

    def test_every_planned_place_exists(self) -> None:
        assert unreached_places(self.case) == ()

    def test_unsupported_methods_are_refused_with_their_reason(self) -> None:
        model = self.case.subjects[0].initialized()
        for method, reason in self.case.unsupported.items():
            config = next(form for form in FORMS if form.method == method).make(self.case.runtime)
            with pytest.raises(ValueError, match="cannot take") as refusal:
                model.add_adapter("refused", config=config)
            assert reason in str(refusal.value)


@thorough
class AdapterModelTests(UpstreamTests):
    """The class with flexible heads: each kind of head with each adapter method; and transformers' own tests."""

    case: ClassVar[ModelCase]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        super().pytest_generate_tests(metafunc)
        kinds = self.case.adapter_model_class.head_types
        if "kind" in metafunc.fixturenames:
            metafunc.parametrize("kind", kinds)
        if "writer" in metafunc.fixturenames:
            writers = {"causal_lm", "seq2seq_lm"} if self.case.adapter_model_class.can_generate() else set()
            metafunc.parametrize("writer", [kind for kind in kinds if kind in writers])

    @property
    def config(self) -> PreTrainedConfig:
        return self.case.tiny_config()

    def model(self, kind: str) -> PreTrainedModel:
        """A random model with a random head of a kind."""
        short = {"question_answering": "qa", "multilabel_classification": "classification"}.get(kind, kind)
        options = {"multilabel": True} if kind == "multilabel_classification" else {}
        if kind in LABELLED:
            options["num_labels"] = NUM_LABELS
        return with_head(_in_role(self.config, kind), short, name=NAME, **options)

    def test_auto_class(self) -> None:
        assert type(AutoAdapterModel.from_config(self.config)) is self.case.adapter_model_class

    @each_share
    def test_training(self, kind: str, share: str) -> None:
        """The adapter and its head are trained, and nothing else."""
        for form in forms_of(self.case, share):
            model = self.model(kind)
            add_random(model, self.case, form)
            model.train_adapter(NAME)
            of_adapter = {key for key in parameters(model) if not key.startswith("heads.")}
            trained = {*of_adapter, *_trained_parameters_of_head(model)}
            assert {key for key, value in model.named_parameters() if value.requires_grad} == trained
            with layers_that_run(model) as run_of:
                model(**example_inputs(kind, model.config)).loss.backward()
            assert {key for key, value in model.named_parameters() if value.grad is not None} == run_of(trained)

    @each_share
    def test_files(self, kind: str, tmp_path: Path, share: str) -> None:
        """An adapter takes its head along, and a checkpoint both."""
        for form in forms_of(self.case, share):
            model, inputs = self.model(kind), example_inputs(kind, self.config)
            add_random(model, self.case, form)
            expected = run(model, inputs)

            folder = tmp_path / form.label
            model.save_adapter(folder / "adapter", NAME)
            other = self.model(kind)
            other.delete_head(NAME)
            other.load_adapter(folder / "adapter", set_active=True)
            expect_identical(run(other, inputs), expected, f"{form.label}, from an adapter's folder")

            model.save_pretrained(folder / "model")
            loaded = AutoAdapterModel.from_pretrained(folder / "model")
            loaded.set_active_adapters(NAME)
            expect_identical(run(loaded, inputs), expected, f"{form.label}, from a checkpoint")

    def test_each_parallel_adapter_has_its_own_head(self, kind: str) -> None:
        form, inputs = next(supported_forms(self.case)), example_inputs(kind, self.config)
        model, blocks = self.model(kind), self.case.runtime
        if not keeps_rows(model):
            pytest.skip("not everything in it has one row for each example")
        for name, seed in ((NAME, 3), (OTHER, 4)):
            add_random(model, self.case, form, name, seed=seed)
        model.add_prediction_head_from_config(OTHER, model.heads[NAME].config)
        expected = []
        for name in (NAME, OTHER):
            model.set_active_adapters(name)
            expected.append(run(model, inputs))

        model.set_active_adapters(blocks.Parallel(NAME, OTHER))

        assert model.active_head == [NAME, OTHER]
        for output, alone in zip(_heads_of(model, inputs), expected, strict=True):
            expect_close(output, alone, "one of two heads")

    @each_share
    def test_writing(self, writer: str, share: str) -> None:
        """With a cache the model writes what it writes without one."""
        for form in forms_of(self.case, share):
            if form.reads_all:
                continue
            model = self.model(writer)
            add_random(model, self.case, form)
            with_cache, without = (_written(model, use_cache=use_cache) for use_cache in (True, False))
            expect_close(with_cache, without, form.label)


@thorough
class ClassConversionTests(ClassConversionSuite):
    """Classes with a fixed head, and the flexible heads that equal them."""

    case: ClassVar[ModelCase]

    @property
    def adapter_model(self) -> type[PreTrainedModel]:
        return self.case.adapter_model_class

    @property
    def config(self) -> PreTrainedConfig:
        return self.case.tiny_config()


def _heads_of(model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    with torch.no_grad():
        return [dict(floats(output)) for output in model(**inputs)]


@contextmanager
def layers_that_run(model: PreTrainedModel) -> Iterator[Callable[[set[str]], set[str]]]:
    """Which of these parameters are not in layers that are left out? A text does not pass those that see."""
    layers = {layer for _, layer in model.iter_layers()}
    left_out = set(layers)
    handles = [layer.register_forward_pre_hook(lambda each, _: left_out.discard(each)) for layer in layers]
    with hooked(handles):
        yield lambda names: _above(names, model, left_out)


def _above(names: set[str], model: PreTrainedModel, left_out: set[torch.nn.Module]) -> set[str]:
    """Those that are not in these layers, and make no prefixes for these alone."""
    parts = {path for path, module in model.named_modules() if module in left_out}
    parts |= {*unread_prefixes(model, parts)}
    return {name for name in names if not is_below(name, parts)}


def _in_role(config: PreTrainedConfig, kind: str) -> PreTrainedConfig:
    """A model that is an encoder by default must be told to write."""
    return changed(config, is_decoder=True) if kind == "causal_lm" and hasattr(config, "is_decoder") else config


def _trained_parameters_of_head(model: PreTrainedModel) -> list[str]:
    """All but the projection onto the vocabulary, which stays as it is."""
    output = model.get_output_embeddings()
    frozen = set(output.parameters()) if output is not None else set()
    return [key for key, value in model.heads.named_parameters(prefix="heads") if value not in frozen]


def _written(model: PreTrainedModel, *, use_cache: bool) -> dict[str, torch.Tensor]:
    written = model.generate(
        **example_prompts(model.config),
        max_new_tokens=4,
        min_new_tokens=4,
        do_sample=False,
        use_cache=use_cache,
        suppress_tokens=placeholders(model) or None,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return {"tokens": written.sequences.float(), "logits": torch.stack(written.logits)}
