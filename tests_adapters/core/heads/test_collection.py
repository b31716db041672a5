"""Heads by name: adding, choosing, describing and deleting them."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from generated.core.heads import ClassificationHead, PredictionHead
from generated.core.heads.errors import HeadExistsError, HeadNameError, UnknownHeadError, UnsupportedHeadError
from tests_adapters.core.heads import tiny
from tests_adapters.core.heads.examples import example_inputs
from tests_adapters.core.heads.random_models import adapter_model, randomize, with_head


def test_configs_are_those_of_the_format() -> None:
    """As a `head_config.json` of AdapterHub holds them after the same call."""
    labels = {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2}
    assert with_head(tiny.BERT, "classification", num_labels=3).heads["task"].config == {
        "head_type": "classification",
        "num_labels": 3,
        "layers": 2,
        "activation_function": "tanh",
        "label2id": labels,
        "use_pooler": False,
        "bias": True,
        "dropout_prob": None,
    }
    assert with_head(tiny.BERT, "multiple_choice").heads["task"].config == {
        "head_type": "multiple_choice",
        "num_choices": 2,
        "layers": 2,
        "activation_function": "tanh",
        "label2id": {"LABEL_0": 0, "LABEL_1": 1},
        "use_pooler": False,
        "dropout_prob": None,
    }
    assert with_head(tiny.VIT, "image_classification", num_labels=3).heads["task"].config == {
        "head_type": "image_classification",
        "num_labels": 3,
        "layers": 1,
        "activation_function": "tanh",
        "multilabel": False,
        "label2id": labels,
        "use_pooler": False,
        "bias": True,
        "dropout_prob": None,
    }
    assert with_head(tiny.GPT2, "causal_lm").heads["task"].config == {
        "head_type": "causal_lm",
        "vocab_size": tiny.VOCABULARY,
        "embedding_size": tiny.WIDTH,
        "layers": 2,
        "activation_function": "gelu",
        "layer_norm": True,
        "bias": True,
        "shift_labels": True,
        "label2id": None,
        "dropout_prob": None,
    }


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"layers": 1}, ["1.weight", "1.bias"]),
        ({"layers": 2}, ["1.weight", "1.bias", "4.weight", "4.bias"]),
        ({"layers": 2, "activation_function": None}, ["1.weight", "1.bias", "3.weight", "3.bias"]),
        ({"layers": 3}, ["1.weight", "1.bias", "4.weight", "4.bias", "7.weight", "7.bias"]),
    ],
)
def test_positions_of_the_layers(options: dict, names: list[str]) -> None:
    assert list(with_head(tiny.BERT, "classification", **options).heads["task"].state_dict()) == names


def test_multilabel_is_another_head_type() -> None:
    model = with_head(tiny.BERT, "classification", multilabel=True)

    assert model.get_prediction_heads_config()["task"]["head_type"] == "multilabel_classification"


def test_labels_by_name_and_by_default() -> None:
    model = with_head(tiny.BERT, "tagging", num_labels=2, id2label={0: "O", 1: "B"})
    model.add_qa_head("qa")

    assert model.get_labels("task") == ["O", "B"]
    assert model.get_labels_dict("task") == {0: "O", 1: "B"}
    assert model.get_labels() == ["LABEL_0", "LABEL_1"]


def test_language_modeling_has_no_labels() -> None:
    model = with_head(tiny.BERT, "masked_lm")

    assert model.get_labels() is None
    assert model.get_labels_dict() is None


def test_label_names_say_which_arguments_are_targets() -> None:
    model = with_head(tiny.BERT, "qa")
    model.add_tagging_head("tags")

    assert model.heads["task"].get_label_names() == ["start_positions", "end_positions"]
    assert model.heads["tags"].get_label_names() == ["labels"]


def test_the_last_added_head_is_active_until_another_is_chosen() -> None:
    model = with_head(tiny.BERT, "tagging", "first")
    model.add_qa_head("second")
    assert model.active_head == "second"

    model.active_head = "first"
    assert model.active_head == "first"

    model.active_head = ["first", "second"]
    assert model.active_head == ["first", "second"]

    model.active_head = None
    assert model.active_head is None
    with pytest.raises(ValueError, match="head_name"):
        model.get_labels()


def test_unknown_head() -> None:
    model = with_head(tiny.BERT, "tagging")

    with pytest.raises(UnknownHeadError, match="no prediction head 'nope'; this model has: task"):
        model.active_head = "nope"
    assert model.active_head == "task"


def test_a_name_is_replaced_only_on_demand() -> None:
    model = with_head(tiny.BERT, "tagging")
    with pytest.raises(HeadExistsError, match="overwrite_ok=True"):
        model.add_qa_head("task")

    model.add_qa_head("task", overwrite_ok=True)
    assert model.heads["task"].config["head_type"] == "question_answering"


@pytest.mark.parametrize("name", ["", "a.b", "keys"])
def test_impossible_names(name: str) -> None:
    model = adapter_model(tiny.BERT)

    with pytest.raises(HeadNameError):
        model.add_tagging_head(name)
    assert not model.heads


def test_an_architecture_refuses_what_makes_no_sense_on_it() -> None:
    with pytest.raises(UnsupportedHeadError, match="ViTAdapterModel has no head type 'masked_lm'"):
        adapter_model(tiny.VIT).add_masked_lm_head("lm")
    with pytest.raises(UnsupportedHeadError, match="GPT2AdapterModel has no pooler"):
        adapter_model(tiny.GPT2).add_classification_head("task", use_pooler=True)


def test_deleting_a_head() -> None:
    model = with_head(tiny.BERT, "masked_lm", "lm")
    model.add_tagging_head("tags")
    model.active_head = "lm"

    model.delete_head("lm")

    assert list(model.heads) == ["tags"]
    assert model.active_head is None
    assert not any("heads" in name for name in model.all_tied_weights_keys)
    model.delete_head("lm")


def test_a_config_is_enough_to_make_a_head() -> None:
    model = with_head(tiny.BERT, "classification", num_labels=3, id2label={0: "a", 1: "b", 2: "c"})
    config = model.heads["task"].config
    before = copy.deepcopy(config)

    model.add_prediction_head_from_config("again", config)

    assert config == before
    assert model.heads["again"].config == before
    assert model.active_head == "again"


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_are_whole_and_their_own(duplicate: Callable[[PreTrainedModel], PreTrainedModel]) -> None:
    model = with_head(tiny.BERT, "masked_lm")
    model.add_adapter("task", set_active=True)
    randomize(model)
    inputs = example_inputs("masked_lm", tiny.BERT)

    other = duplicate(model)

    assert torch.equal(other(**inputs).logits, model(**inputs).logits)
    assert other.get_output_embeddings().weight is other.get_input_embeddings().weight
    other.delete_head("task")
    assert model.active_head == "task"


class MeanHead(PredictionHead):
    """Classifies the mean of all tokens."""

    def __init__(self, model: nn.Module, head_name: str, num_labels: int = 2, layers: int = 1):
        super().__init__(head_name)
        self.config = {"num_labels": num_labels, "layers": layers}
        self.build(model)

    def forward(self, outputs, cls_output=None, attention_mask=None, return_dict=False, labels=None, **kwargs):
        return super().forward(outputs[0].mean(dim=1))


def test_a_head_of_ones_own() -> None:
    model = adapter_model(tiny.BERT)
    model.register_custom_head("mean", MeanHead)
    model.add_custom_head("mean", "task", num_labels=4)
    input_ids = torch.arange(1, 9).view(2, 4)

    hidden_states = model(input_ids, head="task"), model.base_model(input_ids).last_hidden_state

    assert torch.equal(hidden_states[0], nn.Sequential.forward(model.heads["task"], hidden_states[1].mean(dim=1)))
    assert model.heads["task"].config["head_type"] == "mean"
    with pytest.raises(UnsupportedHeadError, match="register_custom_head"):
        adapter_model(tiny.BERT).add_custom_head("mean", "task")


def test_a_head_of_ones_own_is_saved_and_loaded_again_and_again(tmp_path: Path) -> None:
    model = adapter_model(tiny.BERT)
    model.register_custom_head("mean", MeanHead)
    model.add_custom_head("mean", "task", num_labels=4)
    expected = {name: tensor.clone() for name, tensor in model.heads["task"].state_dict().items()}

    for step in ("once", "twice"):
        model.save_head(tmp_path / step, "task")
        model.delete_head("task")
        model.load_head(tmp_path / step)

    actual = model.heads["task"].state_dict()
    assert isinstance(model.heads["task"], MeanHead)
    assert all(torch.equal(actual[name], tensor) for name, tensor in expected.items())
    with pytest.raises(UnsupportedHeadError, match="register_custom_head"):
        adapter_model(tiny.BERT).load_head(tmp_path / "once")


def test_a_head_can_be_added_as_an_object() -> None:
    model = adapter_model(tiny.BERT)
    model.add_prediction_head(ClassificationHead(model, "task", num_labels=5), set_active=False)

    assert model.get_labels("task") == [f"LABEL_{index}" for index in range(5)]
    assert model.active_head is None


def test_models_share_nothing() -> None:
    """Neither a class nor a config learns of the heads of a model."""
    first, second = adapter_model(tiny.BERT), adapter_model(tiny.BERT)
    second.config = first.config
    config, attributes = first.config.to_dict(), dict(vars(type(first)))
    of_heads = {head_class: dict(vars(head_class)) for head_class in (PredictionHead, ClassificationHead)}

    first.add_masked_lm_head("lm")
    first.add_classification_head("task", num_labels=7)
    first.register_custom_head("mean", MeanHead)

    assert not second.heads
    assert not second.custom_heads
    assert second.active_head is None
    assert not second._tied_weights_keys
    assert first.config.to_dict() == config
    assert dict(vars(type(first))) == attributes
    assert all(dict(vars(head_class)) == before for head_class, before in of_heads.items())
