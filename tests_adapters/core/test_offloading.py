"""What is done to adapters and heads whose weights accelerate has put elsewhere."""

from pathlib import Path

import pytest
import torch
from accelerate import cpu_offload
from accelerate.hooks import remove_hook_from_submodules
from torch import nn
from transformers import BertForSequenceClassification, PreTrainedModel

import generated
from generated.core.auto import AutoAdapterModel
from generated.core.errors import AdapterConfigError, AdapterError
from tests_adapters.core.zoo import (
    CONFIGS,
    METHODS,
    add_random,
    assert_identical,
    build,
    build_adapted,
    call,
    differ,
    fresh,
    inputs_for,
)


def offloaded(model: nn.Module) -> nn.Module:
    cpu_offload(model, torch.device("cpu"))
    return model


def two_of(method: str) -> nn.Module:
    model = fresh("bert")
    for name in ("a", "bb"):
        add_random(model, name, METHODS[method]().replace(init_weights_seed=0))
    return model


@pytest.mark.parametrize("method", ["seq_bn", "lora", "vera", "loreft", "prefix_tuning_flat"])
def test_means(method: str) -> None:
    here, there = two_of(method), offloaded(two_of(method))
    for model in (here, there):
        model.average_adapter("mean", ["a", "bb"], set_active=True)
    assert_identical(call(there, inputs_for("bert")), call(here, inputs_for("bert")))


def test_means_of_heads() -> None:
    model, inputs = AutoAdapterModel.from_config(CONFIGS["bert"]()).eval(), inputs_for("bert")
    for name in ("a", "bb"):
        model.add_classification_head(name)
    model.average_head("here", ["a", "bb"])
    expected = call(model, inputs)
    offloaded(model).average_head("there", ["a", "bb"])
    assert_identical(call(model, inputs), expected)


def test_mixtures_are_brought_to_be_written(tmp_path: Path) -> None:
    saved, loaded, inputs = two_of("seq_bn"), two_of("seq_bn"), inputs_for("bert")
    saved.add_adapter_fusion("a,bb", set_active=True)
    expected = call(saved, inputs)
    offloaded(saved).save_adapter_fusion(tmp_path, "a,bb")
    loaded.load_adapter_fusion(tmp_path, set_active=True)
    assert_identical(call(loaded, inputs), expected)


def test_prefixes_are_ejected() -> None:
    model = build_adapted("bert", "prefix_tuning")
    expected = call(model, inputs_for("bert"))
    offloaded(model).eject_prefix_tuning("prefix_tuning")
    assert not differ(call(model, inputs_for("bert")), expected)


def test_parameters_are_shared_before() -> None:
    model = offloaded(two_of("lora"))
    with pytest.raises(AdapterConfigError, match="before the model is spread"):
        model.share_parameters(["a", "bb"])
    assert not model.adapters_config.shared_parameters


def test_what_is_merged_stays_until_the_weights_are_back() -> None:
    model, inputs = build_adapted("bert", "lora"), inputs_for("bert")
    model.merge_adapter("lora")
    merged = call(model, inputs)
    offloaded(model)
    with pytest.raises(AdapterError, match="before the weights were offloaded"):
        model.reset_adapter()
    assert_identical(call(model, inputs), merged)

    remove_hook_from_submodules(model)
    model.reset_adapter()
    assert_identical(call(model, inputs), call(build("bert"), inputs))


@pytest.mark.parametrize("method", ["seq_bn", "lora", "prefix_tuning", "loreft"])
def test_training_above_offloaded_weights(method: str, tmp_path: Path) -> None:
    """The base model is on disk in part; what is trained is not."""
    build("bert", BertForSequenceClassification).save_pretrained(tmp_path)
    places = {"embeddings": "cpu", "encoder.layer.0": "disk", "encoder.layer.1": "cpu", "pooler": "disk"}
    there = BertForSequenceClassification.from_pretrained(
        tmp_path,
        device_map={**{f"bert.{part}": place for part, place in places.items()}, "classifier": "cpu"},
        offload_folder=tmp_path / "offloaded",
        attn_implementation="eager",
    )
    assert any(parameter.is_meta for parameter in there.parameters())
    here = build("bert", BertForSequenceClassification)
    assert _losses(there, method) == _losses(here, method)
    there.save_adapter(tmp_path / "adapter", method)
    again = generated.init(build("bert", BertForSequenceClassification))
    again.load_adapter(tmp_path / "adapter", set_active=True)
    assert_identical(call(again, inputs_for("bert")), call(here, inputs_for("bert")))


def _losses(model: PreTrainedModel, method: str) -> list[float]:
    generated.init(model)
    torch.manual_seed(1)
    model.add_adapter(method, config=METHODS[method]())
    model.train_adapter(method)
    model.eval()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer, found = torch.optim.SGD(trained, lr=0.1), []
    for _ in range(3):
        loss = model(**inputs_for("bert"), labels=torch.tensor([0, 1])).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        found.append(loss.item())
    return found
