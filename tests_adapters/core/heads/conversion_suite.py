"""The promises of static-to-flexible head conversion, for any adapter model.

A test module states which model it is about:

    class TestBertClassConversion(ClassConversionSuite):
        adapter_model = BertAdapterModel
        config = BertConfig(hidden_size=16, …)
"""

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

import generated
from generated.models.head_conversions import STATIC_HEADS_WITHOUT_FLEX_HEAD, STATIC_TO_FLEX_HEAD_MAP
from tests_adapters.core.heads.examples import NUM_LABELS, example_inputs, example_prompts
from tests_adapters.core.heads.random_models import changed, randomize


def modeling_module(adapter_model: type[PreTrainedModel]) -> Any:
    """The module of transformers in which the base of `adapter_model` is defined."""
    upstream = next(base for base in adapter_model.__mro__ if base.__module__.startswith("transformers.models."))
    return sys.modules[upstream.__module__]


def convertible_classes(adapter_model: type[PreTrainedModel]) -> list[str]:
    """Names of the task-specific classes of the architecture that have a flexible head."""
    return [name for name in STATIC_TO_FLEX_HEAD_MAP if hasattr(modeling_module(adapter_model), name)]


def save_here(model: PreTrainedModel, directory: Path) -> None:
    """A head folder of a static model, as this package writes it."""
    generated.init(model).save_head(directory)


def save_as_adapterhub_does(model: PreTrainedModel, directory: Path) -> None:
    """A head folder of a static model, as AdapterHub lays it out."""
    own = ("encoder.", "decoder.", "shared.") if model.base_model is model else ()
    prefixes = (f"{model.base_model_prefix}.", *own)
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items() if not name.startswith(prefixes)}
    save_file(tensors, directory / "model_head.safetensors")
    document = {
        "config": None,
        "model_class": type(model).__name__,
        "model_type": model.config.model_type,
        "name": None,
        "num_labels": model.config.num_labels,
        "label2id": model.config.label2id,
    }
    (directory / "head_config.json").write_text(json.dumps(document))


def assert_same_output(actual: Any, expected: Any) -> None:
    """Every tensor that the static class returns is returned by the flexible head."""
    compared = {name: value for name, value in expected.items() if isinstance(value, torch.Tensor)}
    assert compared
    for name, value in compared.items():
        torch.testing.assert_close(
            actual[name], value, atol=1e-5, rtol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


class ClassConversionSuite:
    """Static head -> flexible head: same predictions, same loss, same text."""

    adapter_model: ClassVar[type[PreTrainedModel]]
    config: ClassVar[PreTrainedConfig]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Each test runs on the static classes that its argument asks for."""
        selections = {
            "static_name": None,
            "classifier_name": ("classification", "image_classification"),
            "writer_name": ("causal_lm", "seq2seq_lm"),
        }
        for argument in selections.keys() & set(metafunc.fixturenames):
            kinds = selections[argument]
            names = convertible_classes(self.adapter_model)
            metafunc.parametrize(argument, [name for name in names if kinds is None or head_type(name) in kinds])

    def static_model(self, name: str, **changes: Any) -> PreTrainedModel:
        """A random model of the transformers class `name`."""
        needs = {"causal_lm": {"is_decoder": True}, "question_answering": {"num_labels": 2}}.get(head_type(name), {})
        config = changed(self.config, **{"num_labels": NUM_LABELS, **changes, **needs})
        model = getattr(modeling_module(self.adapter_model), name)(config).eval()
        randomize(model)
        return model

    def flexible_model(self, static: PreTrainedModel) -> PreTrainedModel:
        """An adapter model with the base weights of `static` and no head."""
        model = self.adapter_model(copy.deepcopy(static.config)).eval()
        randomize(model)
        shared = static.base_model.state_dict()
        own = model.base_model.state_dict()
        model.base_model.load_state_dict({name: shared.get(name, tensor) for name, tensor in own.items()})
        return model

    @pytest.mark.parametrize("save", [save_here, save_as_adapterhub_does])
    def test_head_folder(
        self, static_name: str, save: Callable[[PreTrainedModel, Path], None], tmp_path: Path
    ) -> None:
        static = self.static_model(static_name)
        save(static, tmp_path)
        if not any(tmp_path.iterdir()):
            assert static.get_output_embeddings().weight is static.get_input_embeddings().weight
            pytest.skip("the head is the input embeddings, and nothing of it is saved")
        flexible = self.flexible_model(static)

        flexible.load_head(str(tmp_path), load_as="task")

        assert flexible.active_head == "task"
        assert_converted(flexible, static)

    def test_checkpoint(self, static_name: str, tmp_path: Path) -> None:
        static = self.static_model(static_name)
        static.save_pretrained(tmp_path)

        flexible = self.adapter_model.from_pretrained(tmp_path)

        assert flexible.active_head == "default"
        assert_converted(flexible, static)

    def test_dropout(self, static_name: str, tmp_path: Path) -> None:
        """While training, the same random numbers drop the same values, where the static class drops as often."""
        static = self.static_model(static_name, classifier_dropout=0.4).train()
        static.save_pretrained(tmp_path)
        flexible = self.adapter_model.from_pretrained(tmp_path).train()
        inputs = example_inputs(head_type(static_name), static.config, static.config.num_labels)

        losses, drops = zip(*(loss_and_drops(model, inputs) for model in (static, flexible)), strict=True)

        assert (losses[0] == pytest.approx(losses[1], rel=1e-5)) == (drops[0] == drops[1])

    @pytest.mark.parametrize(
        ("num_labels", "problem_type", "labels"),
        [
            (1, None, torch.tensor([0.3, -1.0, 2.0])),
            (3, None, torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0]])),
            (3, "multi_label_classification", torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0]])),
        ],
        ids=["regression", "float labels", "multilabel"],
    )
    def test_kinds_of_labels(
        self, classifier_name: str, num_labels: int, problem_type: str | None, labels: torch.Tensor, tmp_path: Path
    ) -> None:
        static = self.static_model(classifier_name, num_labels=num_labels, problem_type=problem_type)
        static.save_pretrained(tmp_path)
        static(**example_inputs(head_type(classifier_name), static.config, num_labels) | {"labels": labels})
        if static.config.problem_type is None:
            pytest.skip("the class has a loss of its own where no kind of problem is named; usual ones name it")

        flexible = self.adapter_model.from_pretrained(tmp_path)

        assert_converted(flexible, static, labels=labels)

    @pytest.mark.parametrize("use_cache", [True, False], ids=["cached", "uncached"])
    def test_generation(self, writer_name: str, use_cache: bool, tmp_path: Path) -> None:
        static = self.static_model(writer_name)
        static.save_pretrained(tmp_path)
        flexible = self.adapter_model.from_pretrained(tmp_path)

        options = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False, "use_cache": use_cache}
        options |= {"output_logits": True, "return_dict_in_generate": True}
        prompt = example_prompts(static.config)
        written, expected = flexible.generate(**prompt, **options), static.generate(**prompt, **options)

        assert written.sequences.tolist() == expected.sequences.tolist()
        torch.testing.assert_close(torch.stack(written.logits), torch.stack(expected.logits), atol=1e-4, rtol=1e-4)

    def test_the_model_has_every_kind_of_head_that_its_classes_have(self) -> None:
        kinds = {head_type(name) for name in convertible_classes(self.adapter_model)}
        kin = {"classification": "multilabel_classification", "masked_lm": "causal_lm"}
        also = {kin[kind] for kind in kinds & kin.keys()}

        assert kinds | also <= set(self.adapter_model.head_types)

    def test_every_class_is_accounted_for(self) -> None:
        module = modeling_module(self.adapter_model)
        accounted = STATIC_TO_FLEX_HEAD_MAP.keys() | STATIC_HEADS_WITHOUT_FLEX_HEAD.keys()

        assert {name for name in module.__all__ if has_head(getattr(module, name))} <= accounted


def loss_and_drops(model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> tuple[float, int]:
    """The loss of a seeded run, and how often values are dropped in it."""
    count = 0

    def dropped(module: nn.Dropout, *_: Any) -> None:
        nonlocal count
        count += module.p > 0

    handles = [part.register_forward_hook(dropped) for part in model.modules() if isinstance(part, nn.Dropout)]
    torch.manual_seed(3)
    loss = model(**inputs).loss.item()
    for handle in handles:
        handle.remove()
    return loss, count


def head_type(static_name: str) -> str:
    """The kind of flexible head that a static class becomes."""
    return STATIC_TO_FLEX_HEAD_MAP[static_name].config["head_type"]


def has_head(upstream_class: type) -> bool:
    """Whether a class of a modeling file is a task-specific model."""
    name = upstream_class.__name__
    return issubclass(upstream_class, PreTrainedModel) and (
        "For" in name or "HeadModel" in name or "HeadsModel" in name
    )


def assert_converted(flexible: PreTrainedModel, static: PreTrainedModel, **changes: torch.Tensor) -> None:
    """The active head of `flexible` predicts what `static` predicts, with the same loss."""
    kind = head_type(type(static).__name__)
    inputs = {**example_inputs(kind, static.config, static.config.num_labels), **changes}
    with torch.no_grad():
        actual, expected = flexible(**inputs), static(**inputs)

    assert expected.loss is not None
    assert_same_output(actual, expected)
