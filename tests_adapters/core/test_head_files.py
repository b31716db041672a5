"""Fixed heads on disk: what belongs to them, and which class takes them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    BartForConditionalGeneration,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    T5ForConditionalGeneration,
)

import generated
from generated.core.errors import AdapterFileError, HeadMismatchError
from tests_adapters.core.zoo import (
    assert_identical,
    build,
    build_adapted,
    call,
    fresh,
    inputs_for,
    model_classes,
)


@pytest.mark.parametrize("model_class", list(model_classes()), ids=lambda model_class: model_class.cls.__name__)
def test_fixed_heads(model_class: Any, tmp_path: Path) -> None:
    """A head comes back with the adapter."""
    architecture, cls = model_class.architecture, model_class.cls
    saved, loaded = build_adapted(architecture, "seq_bn", cls), fresh(architecture, cls)
    saved.save_adapter(tmp_path, "seq_bn")
    stored = head_file(tmp_path)
    assert stored.keys() == saved.head_tensors().keys()
    with torch.no_grad():
        for name in stored:
            loaded.state_dict()[name].zero_()

    loaded.load_adapter(tmp_path, set_active=True)
    inputs = inputs_for(architecture, cls)
    assert_identical(call(loaded, inputs), call(saved, inputs))


def head_file(folder: Path) -> dict[str, Any]:
    path = folder / "model_head.safetensors"
    return load_file(path) if path.exists() else {}


def test_tied_weights_stay_with_the_base_model(tmp_path: Path) -> None:
    saved = build_adapted("bert", "lora", BertForMaskedLM)
    saved.save_adapter(tmp_path, "lora")
    assert not any("decoder.weight" in name for name in head_file(tmp_path))
    assert "cls.predictions.transform.dense.weight" in head_file(tmp_path)

    fresh("t5", T5ForConditionalGeneration).save_head(tmp_path / "t5")
    assert not (tmp_path / "t5").exists()


def test_buffers_of_a_head_are_part_of_it(tmp_path: Path) -> None:
    saved, loaded = (fresh("bart", BartForConditionalGeneration) for _ in range(2))
    saved.final_logits_bias += 1
    saved.save_head(tmp_path)
    assert head_file(tmp_path).keys() == {"final_logits_bias"}
    loaded.load_head(tmp_path)
    assert torch.equal(loaded.final_logits_bias, saved.final_logits_bias)


def test_head_of_another_class_is_left_out(tmp_path: Path) -> None:
    build_adapted("bert", "lora", BertForSequenceClassification).save_adapter(tmp_path, "lora")
    model = fresh("bert", BertForTokenClassification)
    before = model.classifier.weight.clone()
    model.load_adapter(tmp_path)
    assert "lora" in model.adapters_config
    assert torch.equal(model.classifier.weight, before)
    with pytest.raises(HeadMismatchError, match="head of BertForSequenceClassification"):
        model.load_head(tmp_path)


@pytest.mark.parametrize("is_flexible", [False, True], ids=["fixed", "flexible"])
def test_pickles_of_heads_are_read_when_asked_for(is_flexible: bool, tmp_path: Path) -> None:
    model = generated.init(build("bert", BertForSequenceClassification))
    if is_flexible:
        model = generated.BertAdapterModel(build("bert").config)
        model.add_classification_head("task")
    model.save_head(tmp_path, use_safetensors=False)
    assert not list(tmp_path.glob("*.safetensors"))
    for refused in ({}, {"allow_pickle": True, "use_safetensors": True}):
        with pytest.raises(AdapterFileError, match="pickle"):
            model.load_head(tmp_path, **refused)
    model.load_head(tmp_path, allow_pickle=True)
