"""The class with flexible heads: each kind of head with each adapter method."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from transformers import PreTrainedConfig, PreTrainedModel

from adaptergen.verify.adapters import NAME, OTHER, add_random, has_place, parameters, supported_forms
from adaptergen.verify.calls import hooked
from adaptergen.verify.inputs import placeholders
from adaptergen.verify.outputs import (
    expect_close,
    expect_effect,
    expect_identical,
    floats,
    run,
    same_numbers,
    upstream_does,
)
from adaptergen.verify.subjects import ModelCase
from adaptergen.verify.unread import is_below, unread_prefixes
from generated.core.auto import AutoAdapterModel
from generated.core.towers import keeps_rows
from tests_adapters.core.heads.examples import BATCH, NUM_LABELS, example_inputs, example_prompts
from tests_adapters.core.heads.random_models import changed, with_head
from tests_adapters.core.suite.forms import each_share, first_forms_of, forms_of, thorough
from tests_adapters.core.upstream.suite import UpstreamTests


LABELLED = (
    "classification",
    "dependency_parsing",
    "image_classification",
    "multilabel_classification",
    "tagging",
)


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

    def test_without_a_head(self, tmp_path: Path) -> None:
        """An adapter acts in a model that has no head yet, or has its own inside, and goes with a checkpoint of it."""
        subject = self.case.base
        form = next(form for form in first_forms_of(self.case) if has_place(subject, form))
        with same_numbers():
            model = AutoAdapterModel.from_config(subject.config, attn_implementation="eager").eval()
        inputs = subject.inputs(model.base_model, padded=True)
        untouched = run(model, inputs)
        add_random(model, self.case, form)
        expected = run(model, inputs)
        expect_effect(expected, untouched, form.label)

        model.save_pretrained(tmp_path)
        if not upstream_does(lambda: subject.cls.from_pretrained(tmp_path)):
            pytest.skip("upstream's own model is not read: it may need a library that another one stands for here")
        loaded = AutoAdapterModel.from_pretrained(tmp_path, attn_implementation="eager").eval()
        loaded.set_active_adapters(NAME)

        expect_close(run(loaded, inputs), expected, f"{form.label}, from a checkpoint")

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

    def test_another_name(self, kind: str, tmp_path: Path) -> None:
        """An adapter that is loaded under another name has its head under that name, beside one that was there."""
        form, inputs = forms_of(self.case, "some")[0], example_inputs(kind, self.config)
        model = self.model(kind)
        add_random(model, self.case, form)
        expected = run(model, inputs)
        model.save_adapter(tmp_path, NAME)

        other = self.model(kind)
        other.load_adapter(tmp_path, load_as=OTHER, set_active=True)

        assert other.active_head == OTHER
        assert list(other.heads) == [NAME, OTHER]
        expect_identical(run(other, inputs), expected, "under another name")
        other.delete_head(NAME)
        expect_identical(run(other, inputs), expected, "when the other head is gone")

    def test_mean_of_equal_heads(self, kind: str) -> None:
        model, inputs = self.model(kind), example_inputs(kind, self.config)
        model.add_prediction_head_from_config(OTHER, model.heads[NAME].config)
        model.heads[OTHER].load_state_dict(model.heads[NAME].state_dict())
        model.active_head = NAME
        expected = run(model, inputs)

        model.average_head("mean", [NAME, OTHER])

        model.active_head = "mean"
        expect_close(run(model, inputs), expected, "the mean of equal heads")

    def test_each_parallel_adapter_has_its_own_head(self, kind: str) -> None:
        model, inputs = self.two_adapters(kind), example_inputs(kind, self.config)
        expected = [_with(model, name, inputs) for name in (NAME, OTHER)]

        model.set_active_adapters(self.case.runtime.Parallel(NAME, OTHER))

        assert model.active_head == [NAME, OTHER]
        for output, alone in zip(_heads_of(model, inputs), expected, strict=True):
            expect_close(output, alone, "one of two heads")

    def test_each_part_of_the_batch_has_its_own_head(self, kind: str) -> None:
        model, inputs = self.two_adapters(kind), example_inputs(kind, self.config)
        parts = {NAME: slice(0, 1), OTHER: slice(1, BATCH)}
        expected = [
            _with(model, name, {key: value[rows] for key, value in inputs.items()}) for name, rows in parts.items()
        ]

        model.set_active_adapters(self.case.runtime.BatchSplit(NAME, OTHER, batch_sizes=[1, BATCH - 1]))

        for output, alone in zip(_heads_of(model, inputs), expected, strict=True):
            expect_close(output, alone, "the head of a part")

    def two_adapters(self, kind: str) -> PreTrainedModel:
        """A model with two adapters, each with a head of its own."""
        model, form = self.model(kind), next(supported_forms(self.case))
        if not keeps_rows(model):
            pytest.skip("not everything in it has one row for each example")
        for name, seed in ((NAME, 3), (OTHER, 4)):
            add_random(model, self.case, form, name, seed=seed)
        model.add_prediction_head_from_config(OTHER, model.heads[NAME].config)
        return model

    def test_parallel_adapters_write_together(self, writer: str) -> None:
        model = self.two_adapters(writer)
        alone = []
        for name in (NAME, OTHER):
            model.set_active_adapters(name)
            alone.append(_written(model, use_cache=True))

        model.set_active_adapters(self.case.runtime.Parallel(NAME, OTHER))

        along = {"tokens": 0, "logits": 1}
        expected = {key: torch.cat([each[key] for each in alone], along[key]) for key in along}
        expect_close(_written(model, use_cache=True), expected, "what two adapters write")

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


def _with(model: PreTrainedModel, name: str, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    model.set_active_adapters(name)
    return run(model, inputs)


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
