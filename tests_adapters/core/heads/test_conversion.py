"""The arithmetic of turning a fixed head into a flexible one."""

import pytest
import torch

from generated.core.heads.conversion import FromConfig, Labels, StaticHead, convert_head
from generated.core.heads.errors import HeadConversionError
from tests_adapters.core.heads import tiny
from tests_adapters.core.heads.random_models import changed


CLASSIFIER = StaticHead(config={"head_type": "classification", "layers": 1}, modules=(None, "classifier"))
PROJECTION = StaticHead(config={"head_type": "seq2seq_lm", "bias": False}, modules=("lm_head",), output_bias="offset")
WEIGHTS = {"classifier.weight": torch.ones(3, 16), "classifier.bias": torch.zeros(3)}


def test_modules_move_to_their_positions() -> None:
    config, weights = convert_head(CLASSIFIER, WEIGHTS, Labels(), tiny.BERT)

    assert config == {"head_type": "classification", "layers": 1, "num_labels": 3}
    assert list(weights) == ["1.weight", "1.bias"]


def test_the_weights_know_the_number_of_labels_best() -> None:
    labels = Labels(label2id={"yes": 0, "no": 1}, num_labels=2)

    config, _ = convert_head(CLASSIFIER, WEIGHTS, labels, tiny.BERT)

    assert config["num_labels"] == 3
    assert "label2id" not in config


def test_label_names_are_kept() -> None:
    names = {"a": 0, "b": 1, "c": 2}

    assert convert_head(CLASSIFIER, WEIGHTS, Labels(names, 3), tiny.BERT)[0]["label2id"] == names


def test_many_labels_at_once_are_another_head_type() -> None:
    labels = Labels(num_labels=3, problem_type="multi_label_classification")

    assert convert_head(CLASSIFIER, WEIGHTS, labels, tiny.BERT)[0]["head_type"] == "multilabel_classification"


def test_a_regression_with_several_outputs_has_no_equal() -> None:
    with pytest.raises(HeadConversionError, match="a regression with 3 outputs"):
        convert_head(CLASSIFIER, WEIGHTS, Labels(num_labels=3, problem_type="regression"), tiny.BERT)


def test_a_weight_without_a_place_is_an_error() -> None:
    with pytest.raises(
        HeadConversionError, match=r"'gate\.weight' belongs to none of the head's modules \(classifier\)"
    ):
        convert_head(CLASSIFIER, WEIGHTS | {"gate.weight": torch.ones(1)}, Labels(), tiny.BERT)


def test_values_from_the_config_of_the_model() -> None:
    first_known = FromConfig(("classifier_dropout", "hidden_dropout_prob"), default=0.5)

    assert first_known.read(tiny.BERT) == tiny.BERT.hidden_dropout_prob
    assert first_known.read(changed(tiny.BERT, classifier_dropout=0.3)) == 0.3
    assert first_known.read(tiny.LLAMA) == 0.5


def test_an_output_bias_of_zeros_is_none() -> None:
    tensors = {"lm_head.weight": torch.ones(9, 16), "offset": torch.zeros(1, 9)}

    config, weights = convert_head(PROJECTION, tensors, Labels(), tiny.BART)

    assert (config["bias"], config["vocab_size"], list(weights)) == (False, 9, ["0.weight"])


def test_an_output_bias_becomes_that_of_the_last_layer() -> None:
    tensors = {"lm_head.weight": torch.ones(9, 16), "offset": torch.arange(9.0).view(1, 9)}

    config, weights = convert_head(PROJECTION, tensors, Labels(), tiny.BART)

    assert config["bias"] is True
    assert torch.equal(weights["0.bias"], torch.arange(9.0))


def test_a_bias_of_the_last_layer_itself_counts() -> None:
    """BERT keeps a second name for it, which is not used where the two are not tied."""
    tensors = {"lm_head.weight": torch.ones(9, 16), "lm_head.bias": torch.ones(9), "offset": torch.zeros(9)}

    assert convert_head(PROJECTION, tensors, Labels(), tiny.BART)[1]["0.bias"].all()


def test_the_vocabulary_is_read_from_the_model_where_all_of_the_projection_is_tied() -> None:
    assert convert_head(PROJECTION, {}, Labels(), tiny.BART)[0]["vocab_size"] == tiny.VOCABULARY
