"""Configurations under the names, strings and hashes of AdapterHub in both its generations."""

import copy
import pickle

import pytest

import generated
from generated.core.configuration import (
    ADAPTER_CONFIG_MAP,
    AdapterConfig,
    AdapterType,
    BnConfig,
    DoubleSeqBnConfig,
    DoubleSeqBnInvConfig,
    LoRAConfig,
    MAMConfig,
    ParBnConfig,
    PrefixTuningConfig,
    SeqBnConfig,
    SeqBnInvConfig,
    get_adapter_config_hash,
)
from generated.core.loading.legacy import modernize
from tests_adapters.core.test_configuration import IDENTIFIERS


def test_names_of_the_first_generation() -> None:
    assert generated.PfeifferConfig is SeqBnConfig
    assert generated.PfeifferInvConfig is SeqBnInvConfig
    assert generated.HoulsbyConfig is DoubleSeqBnConfig
    assert generated.HoulsbyInvConfig is DoubleSeqBnInvConfig
    assert generated.ParallelConfig is ParBnConfig
    assert generated.AdapterConfigBase is AdapterConfig


def test_the_base_class_called_as_in_the_first_generation() -> None:
    """There `AdapterConfig` is the bottleneck configuration, here the class above all configurations."""
    values = {"mh_adapter": True, "output_adapter": False, "reduction_factor": 4, "non_linearity": "relu"}
    config = AdapterConfig(**values)
    assert type(config) is BnConfig
    assert config == AdapterConfig.from_dict(values) == AdapterConfig.load(values) == BnConfig(**values)
    assert AdapterConfig(True, False, 4, "relu") == config
    assert type(AdapterConfig.from_dict({"architecture": "lora"})) is LoRAConfig
    assert copy.deepcopy(config) == pickle.loads(pickle.dumps(config)) == config
    with pytest.raises(TypeError, match="missing"):
        AdapterConfig()


def test_an_option_that_was_not_given() -> None:
    assert AdapterConfig.load(None) is None
    assert AdapterConfig.load(None, r=3) is None


def test_options_for_downloads_change_nothing() -> None:
    assert AdapterConfig.load("lora", {"force_download": True}, r=2) == LoRAConfig(r=2)
    assert AdapterConfig.load("lora", download_kwargs={}) == LoRAConfig()


def test_map_of_identifiers() -> None:
    assert {name: config for name, config in ADAPTER_CONFIG_MAP.items() if name in IDENTIFIERS} == IDENTIFIERS
    AdapterConfig.load("lora").attn_matrices.append("k")
    assert ADAPTER_CONFIG_MAP["lora"].attn_matrices == ["q", "v"]
    assert AdapterConfig.load(ADAPTER_CONFIG_MAP["pfeiffer"], reduction_factor=2) == SeqBnConfig(reduction_factor=2)


# Computed with adapters 1.3.0.
HASHES = {
    "seq_bn": "9076f36a74755ac4",
    "seq_bn_inv": "9ed5b5a29de19b71",
    "double_seq_bn": "b1017368d7a97b11",
    "double_seq_bn_inv": "bcdbfdc759d7abf1",
    "par_bn": "211b85d66ae909db",
    "scaled_par_bn": "4197b24ec21c92f8",
    "compacter": "934efc0c1022a56f",
    "compacter++": "cfa13994accfb5f4",
    "prefix_tuning": "648bf22f5afeaaa6",
    "prefix_tuning_flat": "d61d9a6e9c3974ea",
    "prompt_tuning": "8e35d5049bb12364",
    "lora": "625403edad0bf919",
    "ia3": "1ebb5af107e576c0",
    "vera": "2be4e8738bf1b672",
    "dora": "045575c920686296",
    "dvora": "54bac59257d09af0",
    "mtl_lora": "b37172df6259ff89",
    "loreft": "141e29e6c21f7261",
    "noreft": "df69f184fdb72464",
    "direft": "df69f184fdb72464",
    "mam": "3a07cc7e2d6b7cbd",
    "unipelt": "99835abd0a66a4be",
}


@pytest.mark.parametrize("identifier", HASHES)
def test_hashes_are_those_of_adapterhub(identifier: str) -> None:
    config = AdapterConfig.load(identifier)
    assert get_adapter_config_hash(config) == get_adapter_config_hash(config.to_dict()) == HASHES[identifier]
    assert get_adapter_config_hash(config, length=4) == HASHES[identifier][:4]


def test_types_of_adapters() -> None:
    assert AdapterType.text_task == "text_task"
    assert AdapterType.has("text_lang")
    assert not AdapterType.has("text")


def test_parts_of_mix_and_match() -> None:
    config = MAMConfig(adapter=ParBnConfig(reduction_factor=3))
    assert config.prefix_tuning == PrefixTuningConfig(bottleneck_size=800)
    assert config.adapter.reduction_factor == 3


def test_nested_invertible_adapter_of_old_files() -> None:
    stored = SeqBnConfig().to_dict() | {"invertible_adapter": {"block_type": "glow", "reduction_factor": 4}}
    config = AdapterConfig.load(stored)
    assert (config.inv_adapter, config.inv_adapter_reduction_factor) == ("glow", 4)
    assert "invertible_adapter" not in config


@pytest.mark.parametrize(
    ("version", "config", "changed"),
    [
        (None, {"non_linearity": "gelu"}, {"non_linearity": "gelu_new"}),
        (None, {"non_linearity": "gelu_orig"}, {"non_linearity": "gelu"}),
        (None, {"non_linearity": "relu"}, {}),
        ("3.2.1", {"non_linearity": "gelu"}, {}),
        ("adapters.1.0.1", {"architecture": "lora", "r": 8, "alpha": 16}, {"alpha": 8}),
        ("adapters.1.1.0", {"architecture": "lora", "r": 8, "alpha": 16}, {}),
        ("adapters.odd", {"architecture": "lora", "r": 8, "alpha": 16}, {}),
        ("3.2.1", {"architecture": "lora", "r": 8, "alpha": 16}, {}),
    ],
)
def test_meaning_of_old_files(version: str | None, config: dict, changed: dict) -> None:
    description = {"name": "a", "config": config} | ({"version": version} if version else {})
    assert modernize(description)["config"] == config | changed
    assert description["config"] == config
