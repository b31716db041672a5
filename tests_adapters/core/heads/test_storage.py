"""Head folders: what is written, what is read, and what is refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import BertForMaskedLM, BertForSequenceClassification, PreTrainedConfig, PreTrainedModel

import generated
from generated.core.auto import AutoAdapterModel
from generated.core.errors import AdapterFileError, HeadMismatchError
from generated.core.heads import ClassificationHead
from generated.core.heads.errors import HeadConversionError, UnknownHeadError, UnsupportedHeadError
from tests_adapters.core.heads import tiny
from tests_adapters.core.heads.examples import example_inputs
from tests_adapters.core.heads.random_models import adapter_model, changed, randomize, with_head


EVERY_KIND = [
    (tiny.BERT, "classification", "classification"),
    (tiny.BERT, "multiple_choice", "multiple_choice"),
    (tiny.BERT, "tagging", "tagging"),
    (tiny.BERT, "qa", "question_answering"),
    (tiny.BERT, "masked_lm", "masked_lm"),
    (tiny.LLAMA, "causal_lm", "causal_lm"),
    (tiny.T5, "seq2seq_lm", "seq2seq_lm"),
    (tiny.VIT, "image_classification", "image_classification"),
]


def twin(model: PreTrainedModel) -> PreTrainedModel:
    """Another model with the same base weights and no head."""
    other = adapter_model(model.config)
    other.base_model.load_state_dict(model.base_model.state_dict())
    return other


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("name", [None, "renamed"])
@pytest.mark.parametrize(("config", "kind", "head_type"), EVERY_KIND)
def test_round_trip(config: PreTrainedConfig, kind: str, head_type: str, name: str | None, tmp_path: Path) -> None:
    model = with_head(config, kind)
    other = twin(model)
    inputs = example_inputs(head_type, config, 2)

    model.save_head(tmp_path, "task")
    loaded = other.load_head(tmp_path, load_as=name)

    assert loaded == other.active_head == (name or "task")
    assert other.heads[loaded].config == model.heads["task"].config
    actual, expected = other(**inputs), model(**inputs)
    assert torch.equal(actual.loss, expected.loss)
    assert torch.equal(actual[1], expected[1])


def test_names_in_the_files(tmp_path: Path) -> None:
    model = with_head(tiny.BERT, "classification", num_labels=3)
    model.config.name_or_path = "some/bert"

    model.save_head(tmp_path)

    document = json.loads((tmp_path / "head_config.json").read_text())
    assert document.pop("version").startswith("adaptergen.")
    assert document == {
        "config": model.heads["task"].config,
        "hidden_size": tiny.WIDTH,
        "model_class": "BertAdapterModel",
        "model_name": "some/bert",
        "model_type": "bert",
        "name": "task",
    }
    assert set(load_file(tmp_path / "model_head.safetensors")) == {
        "heads.task.1.weight",
        "heads.task.1.bias",
        "heads.task.4.weight",
        "heads.task.4.bias",
    }


def test_tied_embeddings_are_not_part_of_a_head(tmp_path: Path) -> None:
    with_head(tiny.T5, "seq2seq_lm").save_head(tmp_path / "tied")
    with_head(tiny.LLAMA, "causal_lm").save_head(tmp_path / "own")

    assert not load_file(tmp_path / "tied" / "model_head.safetensors")
    assert "heads.task.3.weight" in load_file(tmp_path / "own" / "model_head.safetensors")


def test_a_stored_projection_that_equals_the_embeddings_is_tied(tmp_path: Path) -> None:
    model = with_head(tiny.BERT, "masked_lm")
    model.save_head(tmp_path)
    tensors = load_file(tmp_path / "model_head.safetensors")
    tensors["heads.task.3.weight"] = model.get_input_embeddings().weight.detach().clone()
    save_file(tensors, tmp_path / "model_head.safetensors")
    other = twin(model)

    other.load_head(tmp_path)

    assert other.get_output_embeddings().weight is other.get_input_embeddings().weight


def test_a_stored_projection_of_its_own_leaves_the_base_model_alone(tmp_path: Path) -> None:
    model = with_head(tiny.BERT, "masked_lm")
    inputs = example_inputs("masked_lm", tiny.BERT)
    model.heads["task"].is_tied = False
    model.heads["task"][-1].weight = nn.Parameter(torch.randn(tiny.VOCABULARY, tiny.WIDTH))
    model.save_head(tmp_path)
    other = twin(model)
    embeddings = other.get_input_embeddings().weight.clone()

    other.load_head(tmp_path)
    other.tie_weights()

    assert torch.equal(other.get_input_embeddings().weight, embeddings)
    assert torch.equal(other(**inputs).logits, model(**inputs).logits)


def test_a_fixed_head_saved_here_is_converted(tmp_path: Path) -> None:
    static = generated.init(BertForSequenceClassification(changed(tiny.BERT, num_labels=3))).eval()
    randomize(static)
    model = adapter_model(static.config)
    model.base_model.load_state_dict(static.bert.state_dict())
    inputs = example_inputs("classification", tiny.BERT)

    static.save_head(tmp_path)

    assert model.load_head(tmp_path) == "default"
    assert torch.equal(model(**inputs).logits, static(**inputs).logits)


def test_labels_can_be_renamed(tmp_path: Path) -> None:
    model = with_head(tiny.BERT, "tagging")
    model.save_head(tmp_path)

    model.load_head(tmp_path, load_as="again", id2label={0: "O", 1: "B"})

    assert model.get_labels("again") == ["O", "B"]


def test_a_question_answering_head_of_adapters_for_t5_absorbs_the_scale_of_its_inputs(tmp_path: Path) -> None:
    model, inputs = with_head(tiny.T5, "qa"), example_inputs("question_answering", tiny.T5)
    model.save_head(tmp_path)
    other = twin(model)
    edit(tmp_path / "head_config.json", version="adapters.1.3.0")

    other.load_head(tmp_path)

    states = model.base_model(
        **{name: inputs[name] for name in ("input_ids", "attention_mask")},
        decoder_input_ids=model.prepare_decoder_input_ids_from_labels(inputs["input_ids"]),
    ).last_hidden_state
    scores = nn.Sequential.forward(model.heads["task"], states * tiny.WIDTH**-0.5)
    torch.testing.assert_close(other(**inputs).start_logits, scores[..., 0])


def test_no_name_and_no_active_head(tmp_path: Path) -> None:
    model = with_head(tiny.BERT, "tagging")
    model.active_head = None

    with pytest.raises(ValueError, match="head_name"):
        model.save_head(tmp_path)
    with pytest.raises(UnknownHeadError):
        model.save_head(tmp_path, "nope")
    assert not list(tmp_path.iterdir())


def test_refusals_leave_the_heads_as_they_are(tmp_path: Path) -> None:
    model = with_head(tiny.BERT, "classification")
    model.save_head(tmp_path)
    before = {name: tensor.clone() for name, tensor in model.heads.state_dict().items()}
    config, weights = tmp_path / "head_config.json", tmp_path / "model_head.safetensors"
    document, tensors = config.read_text(), load_file(weights)

    def refused(error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            model.load_head(tmp_path)
        assert model.heads.state_dict().keys() == before.keys()
        assert all(torch.equal(model.heads.state_dict()[name], tensor) for name, tensor in before.items())
        config.write_text(document)
        save_file(tensors, weights)

    edit(config, model_type="roberta")
    refused(HeadMismatchError, "a head for roberta, this model is a bert")
    edit(config, config={"head_type": "image_classification"})
    refused(UnsupportedHeadError, "no head type 'image_classification'")
    edit(config, config={"head_type": "tagging", "colour": "red"})
    refused(AdapterFileError, "colour")
    edit(config, config={"layers": 1})
    refused(AdapterFileError, "lacks `name` or `head_type`")
    save_file({name: tensor for name, tensor in tensors.items() if name != "heads.task.4.bias"}, weights)
    refused(AdapterFileError, r"model_head\.safetensors .*'4\.bias' is missing")
    save_file(tensors | {"heads.task.5.weight": torch.zeros(1)}, weights)
    refused(AdapterFileError, r"'5\.weight' belongs to no layer")
    save_file(tensors | {"heads.task.4.bias": torch.zeros(9)}, weights)
    refused(AdapterFileError, r"'4\.bias' is \(9,\), the head needs \(2,\)")
    weights.write_bytes(weights.read_bytes()[:40])
    refused(AdapterFileError, "cannot be read")


def test_fixed_heads_that_have_no_equal(tmp_path: Path) -> None:
    static = generated.init(BertForMaskedLM(tiny.BERT))
    static.save_head(tmp_path)
    model = adapter_model(tiny.BERT)

    edit(tmp_path / "head_config.json", model_class="BertForPreTraining")
    with pytest.raises(HeadConversionError, match="no flexible head is for pretraining"):
        model.load_head(tmp_path)
    edit(tmp_path / "head_config.json", model_class="SomethingElse")
    with pytest.raises(HeadConversionError, match="no flexible head is known"):
        model.load_head(tmp_path)


def test_an_adapter_takes_its_head_along(tmp_path: Path) -> None:
    model = with_head(tiny.BERT, "classification")
    model.add_adapter("task")
    model.add_adapter("headless")
    model.set_active_adapters("task")
    randomize(model)
    inputs = example_inputs("classification", tiny.BERT, 2)
    other = twin(adapter_model(tiny.BERT))
    other.base_model.load_state_dict(
        {name: model.base_model.state_dict()[name] for name in other.base_model.state_dict()}
    )
    other.add_tagging_head("before")

    model.save_all_adapters(tmp_path)
    other.load_adapter(tmp_path / "task", load_as="renamed")
    other.load_adapter(tmp_path / "headless")

    assert other.active_head == "before"
    other.set_active_adapters("renamed")
    assert other.active_head == "renamed"
    assert torch.equal(other(**inputs).logits, model(**inputs).logits)
    assert not (tmp_path / "headless" / "head_config.json").exists()


def test_an_adapter_without_its_head(tmp_path: Path) -> None:
    model = with_head(tiny.BERT, "classification")
    model.add_adapter("task")
    model.save_adapter(tmp_path / "without", "task", with_head=False)
    model.save_adapter(tmp_path / "with", "task")
    other = adapter_model(tiny.BERT)

    other.load_adapter(tmp_path / "without")
    other.load_adapter(tmp_path / "with", load_as="again", with_head=False)

    assert not other.heads


def test_an_adapter_loads_without_a_head_that_the_model_cannot_take(tmp_path: Path) -> None:
    model = with_head(tiny.BERT, "classification")
    model.add_adapter("task")
    model.save_adapter(tmp_path, "task")
    edit(tmp_path / "head_config.json", config={"head_type": "image_classification"})
    other = adapter_model(tiny.BERT)

    other.load_adapter(tmp_path)

    assert "task" in other.adapters_config
    assert not other.heads


def test_an_adapter_does_not_load_with_a_damaged_head(tmp_path: Path) -> None:
    model = with_head(tiny.BERT, "classification")
    model.add_adapter("task")
    model.save_adapter(tmp_path, "task")
    save_file({"heads.task.1.bias": torch.zeros(tiny.WIDTH)}, tmp_path / "model_head.safetensors")
    other = adapter_model(tiny.BERT)

    with pytest.raises(AdapterFileError, match="does not fit its config"):
        other.load_adapter(tmp_path)
    assert not other.has_adapters()
    assert not other.heads


def test_names_with_slashes_are_restored(tmp_path: Path) -> None:
    model = with_head(tiny.BERT, "classification", "nli/mnli")
    model.save_pretrained(tmp_path)

    assert list(AutoAdapterModel.from_pretrained(tmp_path).heads) == ["nli/mnli"]


def test_a_head_of_an_unknown_type_is_left_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It can be loaded when its type has been registered, which needs a model first."""

    class OwnHead(ClassificationHead):
        head_type = "own"

    model = adapter_model(tiny.BERT)
    model.register_custom_head("own", OwnHead)
    model.add_custom_head("own", "task")
    model.save_pretrained(tmp_path)

    with caplog.at_level("WARNING", logger="generated"):
        loaded = AutoAdapterModel.from_pretrained(tmp_path)
    assert not loaded.heads
    assert "register its type" in caplog.text
    loaded.register_custom_head("own", OwnHead)
    assert loaded.load_head(tmp_path / "heads" / "task") == "task"
