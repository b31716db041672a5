"""Files and configurations of the LoRA family: what they hold, and what they are refused for."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import generated
from generated.core.configuration import (
    AdapterConfig,
    DoRAConfig,
    DvoRAConfig,
    LoRAConfig,
    MTLLoRAConfig,
    VeraConfig,
)
from generated.core.errors import AdapterConfigError
from tests_adapters.core.zoo import add_random, assert_identical, build, call, fresh, inputs_for


def test_every_configuration_of_the_family_is_supported() -> None:
    model = generated.init(build("gpt2"))
    for config in ("lora[use_dora=True]", "dora", "vera", "dvora", "mtl_lora", "ia3"):
        assert model.supports_adapter(config)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("dora", DoRAConfig()), ("vera", VeraConfig()), ("dvora", DvoRAConfig()), ("mtl_lora", MTLLoRAConfig())],
)
def test_identifiers_and_dictionaries(name: str, expected: LoRAConfig) -> None:
    assert AdapterConfig.load(name) == expected
    assert AdapterConfig.load(expected.to_dict()) == expected


def test_defaults_are_those_of_adapterhub() -> None:
    assert DoRAConfig() == LoRAConfig(use_dora=True)
    assert VeraConfig() == LoRAConfig(vera_d=0.1, vera_b=0.0, init_weights="vera")
    assert DvoRAConfig() == VeraConfig(use_dora=True)
    own = ("architecture", "n_up_projection", "task_specific_matrix_type", "weights_sharpness")
    assert [MTLLoRAConfig()[key] for key in own] == ["mtl_lora", 1, "singular_values", 0.05]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"vera_d": 0.1}, "both vera_d and vera_b"),
        ({"composition_mode": "scale", "use_dora": True, "r": 1}, "neither DoRA nor VeRA"),
    ],
)
def test_contradictions_are_refused(values: dict, message: str) -> None:
    with pytest.raises(AdapterConfigError, match=message):
        LoRAConfig(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task_specific_matrix_type": "wild"}, "'wild'; known: singular_values, linear"),
        ({"n_up_projection": 0}, "n_up_projection is 0"),
        ({"weights_sharpness": 0}, "weights_sharpness is 0"),
        ({"vera_d": 0.1, "vera_b": 0.0}, "neither VeRA"),
    ],
)
def test_contradictions_of_mtl_lora_are_refused(values: dict, message: str) -> None:
    with pytest.raises(AdapterConfigError, match=message):
        MTLLoRAConfig(**values)


def test_files_hold_the_diagonals_of_vera_as_matrices(tmp_path: Path) -> None:
    """As in AdapterHub's files, also from a bare base model, whose shared matrices it does not write."""
    model, again, inputs = fresh("bert"), fresh("bert"), inputs_for("bert")
    add_random(model, "task", VeraConfig(r=2))
    model.save_adapter(tmp_path, "task")
    tensors = load_file(tmp_path / "adapter.safetensors")
    stored = tensors["encoder.layer.0.attention.self.query.loras.task.vera_B"]
    vector = model.encoder.layer[0].attention.self.query.loras["task"].vera_B
    assert torch.equal(stored, vector.diag())
    assert torch.equal(tensors["shared_parameters.task.lora_A"], model.shared_parameters["task"].lora_A)
    again.load_adapter(tmp_path, load_as="other", set_active=True)
    assert_identical(call(again, inputs), call(model, inputs))
    assert again.adapters_config["other"] == model.adapters_config["task"]


def test_whole_matrices_of_vera_in_a_file_are_noticed(tmp_path: Path) -> None:
    model, again, inputs = fresh("bert"), fresh("bert"), inputs_for("bert")
    add_random(model, "task", VeraConfig(r=2, vera_full=True))
    model.save_adapter(tmp_path, "task")
    config = (tmp_path / "adapter_config.json").read_text(encoding="utf-8")
    (tmp_path / "adapter_config.json").write_text(config.replace('"vera_full": true', '"note": 1'), encoding="utf-8")
    again.load_adapter(tmp_path, set_active=True)
    assert again.adapters_config["task"].vera_full
    assert_identical(call(again, inputs), call(model, inputs))


def test_vectors_of_vera_in_a_file_are_read(tmp_path: Path) -> None:
    model, again, inputs = fresh("bert"), fresh("bert"), inputs_for("bert")
    add_random(model, "task", VeraConfig(r=2))
    model.save_adapter(tmp_path, "task")
    tensors = load_file(tmp_path / "adapter.safetensors")
    vectors = {key: value.diagonal().clone() if ".vera_" in key else value for key, value in tensors.items()}
    save_file(vectors, tmp_path / "adapter.safetensors")
    again.load_adapter(tmp_path, set_active=True)
    assert_identical(call(again, inputs), call(model, inputs))


def test_unions_of_two_of_the_family_need_places_of_their_own(tmp_path: Path) -> None:
    first = LoRAConfig(r=2, leave_out=[1])
    with pytest.raises(AdapterConfigError, match="cannot be united"):
        generated.ConfigUnion(LoRAConfig(), MTLLoRAConfig())
    union = generated.ConfigUnion(first, DoRAConfig(r=3, leave_out=[0], attn_matrices=["q"], intermediate_lora=True))
    for architecture in ("llama", "gpt2"):
        model, again, inputs = fresh(architecture), fresh(architecture), inputs_for(architecture)
        add_random(model, "task", union)
        model.save_adapter(tmp_path / architecture, "task")
        again.load_adapter(tmp_path / architecture, set_active=True)
        assert_identical(call(again, inputs), call(model, inputs))


def test_parts_of_a_union_whose_flags_name_the_wrong_projection(tmp_path: Path) -> None:
    """AdapterHub's Llama has the weights of `down` where its configuration says `intermediate_lora`."""
    model, again, inputs = fresh("llama"), fresh("llama"), inputs_for("llama")
    parts = (
        LoRAConfig(r=2, leave_out=[1], selfattn_lora=False, output_lora=True),
        LoRAConfig(r=3, leave_out=[0], selfattn_lora=False, intermediate_lora=True),
    )
    add_random(model, "task", generated.ConfigUnion(*parts))
    model.save_adapter(tmp_path, "task")
    path = tmp_path / "adapter_config.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    for part in document["config"]["configs"]:
        part["output_lora"], part["intermediate_lora"] = part["intermediate_lora"], part["output_lora"]
    path.write_text(json.dumps(document), encoding="utf-8")
    again.load_adapter(tmp_path, set_active=True)
    assert_identical(call(again, inputs), call(model, inputs))
