"""What `from_pretrained` reads and `save_pretrained` writes."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoModel,
    BartForConditionalGeneration,
    BertForMaskedLM,
    BertForPreTraining,
    BertForSequenceClassification,
    LlamaForCausalLM,
    LlamaForQuestionAnswering,
    PreTrainedConfig,
    PreTrainedModel,
    T5ForConditionalGeneration,
    ViTForImageClassification,
    conversion_mapping,
)
from transformers.conversion_mapping import get_checkpoint_conversion_mapping
from transformers.core_model_loading import WeightRenaming

from generated.models.bart.adapter_model import BartAdapterModel
from generated.models.bert.adapter_model import BertAdapterModel
from generated.models.llama.adapter_model import LlamaAdapterModel
from generated.models.t5.adapter_model import T5AdapterModel
from generated.models.vit.adapter_model import ViTAdapterModel
from tests_adapters.core.heads import tiny
from tests_adapters.core.heads.conversion_suite import assert_converted
from tests_adapters.core.heads.examples import BATCH, example_inputs, text
from tests_adapters.core.heads.random_models import adapter_model, changed, randomize, with_head


def saved(
    static_class: type[PreTrainedModel], config: PreTrainedConfig, path: Path, **options: object
) -> PreTrainedModel:
    model = static_class(config).eval()
    randomize(model)
    model.save_pretrained(path, **options)
    return model


def rename_in_file(path: Path, renamings: dict[str, str]) -> None:
    """Give the weights of a checkpoint the names of an earlier version."""

    def rename(name: str) -> str:
        for new, old in renamings.items():
            name = name.replace(new, old)
        return name

    save_file({rename(name): tensor for name, tensor in load_file(path).items()}, path, metadata={"format": "pt"})


def test_base_checkpoint(tmp_path: Path) -> None:
    base = saved(AutoModel.from_config(tiny.BERT).__class__, tiny.BERT, tmp_path)

    model, report = BertAdapterModel.from_pretrained(tmp_path, output_loading_info=True)

    assert not model.heads
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    inputs = text(tiny.BERT, BATCH)
    assert torch.equal(model(**inputs).last_hidden_state, base(**inputs).last_hidden_state)


def test_the_report_knows_the_head(tmp_path: Path) -> None:
    """Nothing of the head is unexpected, and the pooler that this class lacks is missing."""
    saved(BertForMaskedLM, tiny.BERT, tmp_path)

    _, report = BertAdapterModel.from_pretrained(tmp_path, output_loading_info=True)

    assert not report["unexpected_keys"]
    assert set(report["missing_keys"]) == {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}


def test_no_trace_of_the_fixed_head_is_left(tmp_path: Path) -> None:
    saved(BertForMaskedLM, tiny.BERT, tmp_path)

    model = BertAdapterModel.from_pretrained(tmp_path)

    assert {name for name, _ in model.named_children()} == {"heads", "bert"}
    assert not any(name.startswith("cls") for name in model.all_tied_weights_keys)
    assert not hasattr(model, "_guest_head")
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


@pytest.mark.parametrize("options", [{"max_shard_size": "8KB"}, {}], ids=["sharded", "one file"])
def test_however_the_checkpoint_is_split(options: dict, tmp_path: Path) -> None:
    static = saved(BertForMaskedLM, tiny.BERT, tmp_path, **options)

    assert len(list(tmp_path.glob("*.safetensors"))) > len(options)
    assert_converted(BertAdapterModel.from_pretrained(tmp_path), static)


def test_names_of_layer_norms_in_old_checkpoints(tmp_path: Path) -> None:
    static = saved(BertForMaskedLM, tiny.BERT, tmp_path)
    rename_in_file(
        tmp_path / "model.safetensors", {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    )

    assert_converted(BertAdapterModel.from_pretrained(tmp_path), static)


def test_module_names_of_earlier_versions_of_vit(tmp_path: Path) -> None:
    static = saved(ViTForImageClassification, changed(tiny.VIT, num_labels=3), tmp_path)
    assert any(
        ".encoder.layer.0.attention.attention.query." in name for name in load_file(tmp_path / "model.safetensors")
    )

    model = ViTAdapterModel.from_pretrained(tmp_path)
    assert_converted(model, static)

    model.save_pretrained(tmp_path / "again")
    assert_converted(ViTAdapterModel.from_pretrained(tmp_path / "again"), static)


def test_a_class_with_another_name_for_its_base_model(tmp_path: Path) -> None:
    static = saved(LlamaForQuestionAnswering, changed(tiny.LLAMA, num_labels=2), tmp_path)
    assert all(name.startswith(("transformer.", "qa_outputs.")) for name in load_file(tmp_path / "model.safetensors"))

    model = LlamaAdapterModel.from_pretrained(tmp_path)
    assert_converted(model, static)

    model.save_pretrained(tmp_path / "again")
    names = load_file(tmp_path / "again" / "model.safetensors")
    assert all(name.startswith("model.") for name in names)


def test_a_projection_that_is_not_the_input_embeddings(tmp_path: Path) -> None:
    """T5 1.1 has its own, although its config ties; it does not scale what the projection reads, either."""
    static = T5ForConditionalGeneration(changed(tiny.T5, scale_decoder_outputs=False)).eval()
    randomize(static)
    static.lm_head.weight = nn.Parameter(torch.randn(tiny.VOCABULARY, tiny.WIDTH))
    static.save_pretrained(tmp_path)
    static = T5ForConditionalGeneration.from_pretrained(tmp_path)
    assert static.lm_head.weight is not static.shared.weight

    model = T5AdapterModel.from_pretrained(tmp_path)
    assert_converted(model, static)
    model.tie_weights()
    assert_converted(model, static)


def test_a_bias_outside_of_the_projection(tmp_path: Path) -> None:
    static = saved(BartForConditionalGeneration, tiny.BART, tmp_path)
    static.final_logits_bias.copy_(torch.randn(1, tiny.VOCABULARY))
    static.save_pretrained(tmp_path)

    assert_converted(BartAdapterModel.from_pretrained(tmp_path), static)


def test_a_checkpoint_without_the_zeros_that_its_class_adds(tmp_path: Path) -> None:
    static = saved(BartForConditionalGeneration, tiny.BART, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["final_logits_bias"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})

    model = BartAdapterModel.from_pretrained(tmp_path)

    assert model.heads["default"].config["bias"] is False
    assert_converted(model, static)


def test_a_head_that_the_checkpoint_lacks_is_new(tmp_path: Path) -> None:
    saved(BertForSequenceClassification, tiny.BERT, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    base = {name: tensor for name, tensor in tensors.items() if not name.startswith("classifier.")}
    save_file(base, tmp_path / "model.safetensors", metadata={"format": "pt"})

    model, report = BertAdapterModel.from_pretrained(tmp_path, output_loading_info=True)

    assert set(report["missing_keys"]) == {"classifier.weight", "classifier.bias"}
    assert 0.005 < model.heads["default"][-1].weight.std() < 0.04
    assert not model.heads["default"][-1].bias.any()


@pytest.mark.parametrize("device_map", ["cpu", {"bert": "cpu", "heads": "cpu"}], ids=["one device", "by module"])
def test_device_map(device_map: object, tmp_path: Path) -> None:
    static = saved(BertForSequenceClassification, changed(tiny.BERT, num_labels=3), tmp_path)

    assert_converted(BertAdapterModel.from_pretrained(tmp_path, device_map=device_map), static)


def test_half_precision(tmp_path: Path) -> None:
    saved(BertForSequenceClassification, changed(tiny.BERT, num_labels=3), tmp_path)

    model = BertAdapterModel.from_pretrained(tmp_path, dtype=torch.bfloat16)

    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model(**example_inputs("classification", tiny.BERT)).loss.isfinite()


def test_a_head_that_cannot_be_converted_is_left_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    static = saved(BertForPreTraining, tiny.BERT, tmp_path)

    model = BertAdapterModel.from_pretrained(tmp_path)

    assert not model.heads
    assert "the head of BertForPreTraining is left behind: no flexible head is for pretraining" in caplog.text
    inputs = text(tiny.BERT, BATCH)
    assert torch.equal(model(**inputs).pooler_output, static.bert(**inputs).pooler_output)


def test_a_kind_of_labels_that_cannot_be_converted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    saved(BertForSequenceClassification, changed(tiny.BERT, num_labels=3, problem_type="regression"), tmp_path)

    assert not BertAdapterModel.from_pretrained(tmp_path).heads
    assert "a regression with 3 outputs has no flexible head" in caplog.text


def test_loading_leaves_the_given_config_alone(tmp_path: Path) -> None:
    saved(LlamaForCausalLM, tiny.LLAMA, tmp_path)
    config = changed(tiny.LLAMA, architectures=["LlamaForCausalLM"])
    before = config.to_dict()

    LlamaAdapterModel.from_pretrained(tmp_path, config=config)

    assert config.to_dict() == before


def test_round_trip_with_adapters_and_heads(tmp_path: Path) -> None:
    model = with_head(tiny.BERT, "masked_lm", "lm")
    model.add_classification_head("task", num_labels=3)
    model.add_adapter("task", config="double_seq_bn")
    model.set_active_adapters("task")
    randomize(model)

    model.save_pretrained(tmp_path)
    loaded, report = BertAdapterModel.from_pretrained(tmp_path, output_loading_info=True)

    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert loaded.get_prediction_heads_config() == model.get_prediction_heads_config()
    loaded.set_active_adapters("task")
    assert loaded.active_head == "task"
    for head, head_type in (("task", "classification"), ("lm", "masked_lm")):
        inputs = example_inputs(head_type, tiny.BERT)
        assert torch.equal(loaded(**inputs, head=head).logits, model(**inputs, head=head).logits)


def test_the_only_head_is_active_after_loading(tmp_path: Path) -> None:
    with_head(tiny.BERT, "tagging").save_pretrained(tmp_path)

    assert BertAdapterModel.from_pretrained(tmp_path).active_head == "task"


def test_the_base_file_is_a_plain_one(tmp_path: Path) -> None:
    model = with_head(tiny.T5, "seq2seq_lm")
    model.add_adapter("task", set_active=True)

    model.save_pretrained(tmp_path)

    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "adapters/task/adapter.safetensors",
        "adapters/task/adapter_config.json",
        "config.json",
        "generation_config.json",
        "heads/task/head_config.json",
        "heads/task/model_head.safetensors",
        "model.safetensors",
    ]
    _, report = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))


def test_new_heads_are_not_initialised_again() -> None:
    model = with_head(tiny.BERT, "classification")
    before = {name: tensor.clone() for name, tensor in model.heads.state_dict().items()}

    model.init_weights()

    assert all(torch.equal(model.heads.state_dict()[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("config", [tiny.BERT, tiny.T5, tiny.BART], ids=["bert", "t5", "bart"])
def test_new_heads_start_small(config: PreTrainedConfig) -> None:
    model = adapter_model(config)
    model.add_classification_head("task", num_labels=100)
    last = model.heads["task"][-1]

    assert 0.015 < last.weight.std() < 0.025
    assert not last.bias.any()


def test_a_head_under_a_former_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers knows former names of the weights of one class, and writes them, too."""
    get_checkpoint_conversion_mapping("bert")  # the table is made when it is asked for
    table = vars(conversion_mapping)["_checkpoint_conversion_mapping_cache"]
    monkeypatch.setitem(table, "LlamaForCausalLM", [WeightRenaming(r"^embed_out\.", "lm_head.")])
    static = saved(LlamaForCausalLM, tiny.LLAMA, tmp_path)
    assert "embed_out.weight" in load_file(tmp_path / "model.safetensors")

    model = LlamaAdapterModel.from_pretrained(tmp_path)

    assert_converted(model, static)
    model.save_pretrained(tmp_path / "again")
    assert not any("embed_out" in name for name in load_file(tmp_path / "again" / "model.safetensors"))
