"""What is done to adapters and heads whose weights accelerate has put elsewhere."""

from pathlib import Path

import pytest
import torch
from accelerate import cpu_offload
from accelerate.hooks import remove_hook_from_submodules
from torch import nn

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
