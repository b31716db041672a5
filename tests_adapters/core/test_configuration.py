"""Configurations: values, names of both generations, and what is done with data that comes from elsewhere."""

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
import torch

from generated.core.configuration import (
    AdapterConfig,
    AdapterPlusConfig,
    BnConfig,
    CompacterConfig,
    CompacterPlusPlusConfig,
    ConfigUnion,
    DiReftConfig,
    DoubleSeqBnConfig,
    DoubleSeqBnInvConfig,
    IA3Config,
    LoRAConfig,
    LoReftConfig,
    MAMConfig,
    ModelAdaptersConfig,
    NoReftConfig,
    ParBnConfig,
    PrefixTuningConfig,
    PromptTuningConfig,
    SeqBnConfig,
    SeqBnInvConfig,
    UniPELTConfig,
)
from generated.core.configuration.lora import OWN_OPTIONS
from generated.core.errors import AdapterConfigError


IDENTIFIERS = {
    "seq_bn": SeqBnConfig(),
    "pfeiffer": SeqBnConfig(),
    "seq_bn_inv": SeqBnInvConfig(),
    "pfeiffer+inv": SeqBnInvConfig(),
    "double_seq_bn": DoubleSeqBnConfig(),
    "houlsby": DoubleSeqBnConfig(),
    "double_seq_bn_inv": DoubleSeqBnInvConfig(),
    "houlsby+inv": DoubleSeqBnInvConfig(),
    "par_bn": ParBnConfig(),
    "parallel": ParBnConfig(),
    "scaled_par_bn": ParBnConfig(scaling="learned"),
    "scaled_parallel": ParBnConfig(scaling="learned"),
    "compacter": CompacterConfig(),
    "compacter++": CompacterPlusPlusConfig(),
    "adapter_plus": AdapterPlusConfig(),
    "prefix_tuning": PrefixTuningConfig(),
    "prefix_tuning_flat": PrefixTuningConfig(flat=True),
    "lora": LoRAConfig(),
    "ia3": IA3Config(),
    "loreft": LoReftConfig(),
    "noreft": NoReftConfig(),
    "direft": DiReftConfig(),
    "prompt_tuning": PromptTuningConfig(),
    "mam": MAMConfig(),
    "unipelt": UniPELTConfig(),
}


@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_identifiers(identifier: str) -> None:
    loaded = AdapterConfig.load(identifier)
    assert loaded == IDENTIFIERS[identifier]
    assert type(loaded) is type(IDENTIFIERS[identifier])
    assert loaded is not AdapterConfig.load(identifier)


def test_a_union_shows_its_parts() -> None:
    union = ConfigUnion(PrefixTuningConfig(), LoRAConfig(r=3))
    assert repr(union) == f"ConfigUnion({PrefixTuningConfig()!r}, {LoRAConfig(r=3)!r})"
    assert repr(MAMConfig()).startswith("MAMConfig(PrefixTuningConfig(")


def test_asking_for_an_adapter_that_may_be_there() -> None:
    adapters = ModelAdaptersConfig({"task": LoRAConfig()})
    assert adapters.get("task") == LoRAConfig()
    assert adapters.get("other") is None
    assert adapters.get("other", 3) == 3


def test_published_values() -> None:
    """The choices that make an architecture what its paper describes."""
    seq, double, parallel = SeqBnConfig(), DoubleSeqBnConfig(), ParBnConfig()
    assert (seq.mh_adapter, seq.output_adapter, seq.reduction_factor, seq.non_linearity) == (False, True, 16, "relu")
    assert (double.mh_adapter, double.output_adapter, double.non_linearity) == (True, True, "swish")
    assert (seq.original_ln_before, double.original_ln_before) == (True, False)
    assert (parallel.is_parallel, parallel.scaling, parallel.init_weights) == (True, 4.0, "mam_adapter")
    assert (CompacterConfig().phm_layer, CompacterConfig().reduction_factor) == (True, 32)
    assert (LoRAConfig().r, LoRAConfig().alpha, LoRAConfig().attn_matrices) == (8, 8, ["q", "v"])
    assert IA3Config().roles == {"k", "v", "up"}
    assert (PrefixTuningConfig().prefix_length, PrefixTuningConfig().bottleneck_size) == (30, 512)
    assert [field.name for field in fields(BnConfig)][:6] == [
        "mh_adapter",
        "output_adapter",
        "reduction_factor",
        "non_linearity",
        "original_ln_before",
        "original_ln_after",
    ]


def test_mapping() -> None:
    config = LoRAConfig(r=4)
    assert config["r"] == config.r == 4
    assert config.get("unheard_of", 3) == 3
    assert "alpha" in config
    assert dict(config) == config.to_dict() | dict.fromkeys(OWN_OPTIONS)
    assert len(config) == len(list(config))


def test_set_once() -> None:
    config = SeqBnConfig()
    with pytest.raises(FrozenInstanceError, match="replace"):
        config.reduction_factor = 2
    with pytest.raises(FrozenInstanceError):
        del config.reduction_factor
    assert config.replace(reduction_factor=2).reduction_factor == 2
    assert config.reduction_factor == 16
    assert isinstance(config.replace(reduction_factor=2), SeqBnConfig)


def test_replace_knows_what_can_be_replaced() -> None:
    with pytest.raises(AdapterConfigError, match="has no reduction_facotr"):
        SeqBnConfig().replace(reduction_facotr=2)


def test_configurations_share_no_lists() -> None:
    first, second = SeqBnConfig(), SeqBnConfig()
    first.leave_out.append(1)
    assert second.leave_out == []
    copy = first.replace(reduction_factor=2)
    copy.leave_out.append(2)
    assert first.leave_out == [1]


def test_unknown_keys_are_kept() -> None:
    config = AdapterConfig.load({"architecture": "lora", "r": 2, "from_the_future": [1]})
    assert isinstance(config, LoRAConfig)
    assert config.from_the_future == [1]
    assert config.to_dict()["from_the_future"] == [1]
    assert config.replace(alpha=3).from_the_future == [1]


@pytest.mark.parametrize("config", IDENTIFIERS.values(), ids=IDENTIFIERS)
def test_dictionary_round_trip(config: AdapterConfig) -> None:
    stored = json.loads(json.dumps(config.to_dict()))
    assert AdapterConfig.load(stored) == config


def test_file(tmp_path: Path) -> None:
    config = LoRAConfig(r=5)
    (tmp_path / "config.json").write_text(json.dumps(config.to_dict()))
    (tmp_path / "adapter.json").write_text(json.dumps({"name": "a", "config": config.to_dict()}))
    assert AdapterConfig.load(tmp_path / "config.json") == config
    assert AdapterConfig.load(str(tmp_path / "adapter.json")) == config


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lora[r=16]", LoRAConfig(r=16)),
        ("lora[r=16, attn_matrices=['q', 'k'], dropout=0.1]", LoRAConfig(r=16, attn_matrices=["q", "k"], dropout=0.1)),
        ("seq_bn[reduction_factor={'1': 8, 'default': 16}]", SeqBnConfig(reduction_factor={"1": 8, "default": 16})),
        ("pfeiffer+inv[inv_adapter='glow']", SeqBnInvConfig(inv_adapter="glow")),
        ("compacter++[phm_dim=2]", CompacterPlusPlusConfig(phm_dim=2)),
        ("seq_bn|lora[r=2]", ConfigUnion(SeqBnConfig(), LoRAConfig(r=2))),
        (" prefix_tuning[flat=True] | par_bn ", ConfigUnion(PrefixTuningConfig(flat=True), ParBnConfig())),
    ],
)
def test_strings(text: str, expected: AdapterConfig) -> None:
    assert AdapterConfig.load(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no_such_thing", "'no_such_thing' is neither a file nor"),
        ("lora[r=]", "cannot read the values"),
        ("lora[16]", "only key=value pairs"),
        ("lora[**{'r': 2}]", "only key=value pairs"),
        ("lora[r=__import__('os')]", "cannot read the values"),
        ("lora[rank=16]", "has no rank"),
        ("lora[r=2]|wild", "neither a file nor"),
        ("lora[" + 5000 * "r=2," + "!]", "cannot read the values"),
    ],
)
def test_strings_that_say_nothing(text: str, message: str) -> None:
    with pytest.raises(AdapterConfigError, match=message):
        AdapterConfig.load(text)


def test_changes_on_loading() -> None:
    assert AdapterConfig.load("lora", r=3, alpha=None) == LoRAConfig(r=3)


def test_incomplete_dictionary() -> None:
    with pytest.raises(AdapterConfigError, match=r"incomplete configuration for BnConfig.*reduction_factor"):
        AdapterConfig.load({"mh_adapter": True, "output_adapter": True, "non_linearity": "relu"})


def test_union() -> None:
    union = ConfigUnion(PrefixTuningConfig(), SeqBnConfig(reduction_factor=4))
    assert union["1.reduction_factor"] == union[1].reduction_factor == 4
    assert "0.prefix_length" in union
    assert "2.prefix_length" not in union
    assert len(union) == len(list(union)) == len(PrefixTuningConfig()) + len(SeqBnConfig())
    assert union.replace(leave_out=[1]).parts == (
        PrefixTuningConfig(leave_out=[1]),
        SeqBnConfig(reduction_factor=4, leave_out=[1]),
    )
    assert union != ConfigUnion(PrefixTuningConfig())


@pytest.mark.parametrize(
    "parts",
    [
        (LoRAConfig(), IA3Config()),
        (SeqBnConfig(), ParBnConfig()),
        (PrefixTuningConfig(), PrefixTuningConfig(flat=True)),
    ],
    ids=["lora", "bottleneck", "prefix"],
)
def test_parts_of_a_union_must_not_meet(parts: tuple[AdapterConfig, ...]) -> None:
    with pytest.raises(AdapterConfigError, match="the same places"):
        ConfigUnion(*parts)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: LoRAConfig(r=0),
        lambda: LoRAConfig(attn_matrices=["q", "vv"]),
        lambda: LoRAConfig(mlp_matrices=["upp"]),
        lambda: LoRAConfig(dtype="fp32"),
        lambda: SeqBnConfig(reduction_factor=0),
        lambda: SeqBnConfig(reduction_factor={"1": -2, "default": 16}),
        lambda: SeqBnConfig(residual_before_ln="post_ad"),
        lambda: SeqBnConfig(inv_adapter="nice"),
        lambda: PrefixTuningConfig(prefix_length=0),
        lambda: ConfigUnion(),
        lambda: AdapterConfig.load({"architecture": "union"}),
        lambda: AdapterConfig.load(LoRAConfig),
        lambda: AdapterConfig.load(5),
        lambda: AdapterConfig.load({"architecture": "lora", "roles": 1}),
        lambda: AdapterConfig.load({"architecture": ["lora"]}),
        lambda: SeqBnConfig(leave_out=1),
        lambda: SeqBnConfig(reduction_factor={"default": None}),
    ],
)
def test_values_that_cannot_be(wrong: Callable[[], AdapterConfig]) -> None:
    with pytest.raises(AdapterConfigError):
        wrong()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (SeqBnConfig(leave_out=range(2)), SeqBnConfig(leave_out=[0, 1])),
        (SeqBnConfig(leave_out={1, 0}), SeqBnConfig(leave_out=[0, 1])),
        (LoRAConfig(attn_matrices=("q", "v")), LoRAConfig(attn_matrices=["q", "v"])),
        (SeqBnConfig(reduction_factor=torch.tensor(4)), SeqBnConfig(reduction_factor=4)),
    ],
)
def test_values_are_kept_as_files_can_hold_them(given: AdapterConfig, kept: AdapterConfig) -> None:
    assert json.loads(json.dumps(given.to_dict())) == kept.to_dict()


def test_a_union_of_unions_is_one() -> None:
    union = AdapterConfig.load("mam|lora")
    assert [type(part).__name__ for part in union.parts] == ["PrefixTuningConfig", "ParBnConfig", "LoRAConfig"]
    with pytest.raises(AdapterConfigError, match="the same places"):
        AdapterConfig.load("unipelt|lora")


def test_numbers_of_layers_are_strings_as_in_files() -> None:
    assert SeqBnConfig(reduction_factor={0: 2, "default": 4}) == SeqBnConfig(reduction_factor={"0": 2, "default": 4})


def test_parts_of_a_union_may_share_a_method() -> None:
    ConfigUnion(SeqBnConfig(), SeqBnConfig(mh_adapter=True, output_adapter=False))
    ConfigUnion(LoRAConfig(leave_out=[0]), LoRAConfig(leave_out=[1]))


def test_unipelt_is_gated() -> None:
    assert all(part.use_gating for part in UniPELTConfig(lora=LoRAConfig(r=2)).parts)
