"""Names of tensors: from any file that means the same tensor to the tensor of this model, and to no other."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BartForCausalLM, BertModel

import generated
from generated.core.errors import AdapterFileError, UnsupportedMethodError
from generated.core.loading.keys import WeightName, match_names, parse_name
from generated.core.loading.places import moved_paths, places_of
from tests_adapters.core.zoo import add_random, assert_identical, build, build_adapted, call, inputs_for


def unchanged(key: str) -> str:
    return key


def names(*keys: str) -> list[WeightName]:
    return [parse_name(key, "task") for key in keys]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a.0.output.adapters.task.adapter_up.bias", WeightName("a.0.output", "adapters", "adapter_up.bias")),
        ("a.q_proj.loras.task.lora_A", WeightName("a.q_proj", "loras", "lora_A")),
        ("shared_parameters.task.phm_rule", WeightName("", "shared_parameters", "phm_rule")),
        ("a.layer_text_task_adapters.task.up", WeightName("a", "adapters", "up")),
        ("invertible_lang_adapters.task.F.0.bias", WeightName("", "invertible_adapters", "F.0.bias")),
        (
            "a.prefix_tuning.prefix_tunings.task.self.wte",
            WeightName("prefix_tuning", "prefix_tunings", "self_prefix.wte"),
        ),
        ("a.output.adapters.other.adapter_up.bias", None),
        ("a.output.dense.weight", None),
        ("adapters", None),
    ],
)
def test_reading_a_name(key: str, expected: WeightName | None) -> None:
    assert parse_name(key, "task") == expected


def test_adapters_called_like_a_part_of_the_name() -> None:
    assert parse_name("a.adapters.adapters.up", "adapters") == WeightName("a", "adapters", "up")
    key = "prefix_tuning.prefix_tunings.prefix_tuning.self_prefix.wte"
    assert parse_name(key, "prefix_tuning").full("new") == key.replace("s.prefix_tuning.", "s.new.")


def test_prefix_of_the_saving_class() -> None:
    expected = names("encoder.layer.0.output.adapters.task.up")
    for prefix in ("", "bert.", "roberta."):
        key = f"{prefix}encoder.layer.0.output.adapters.task.up"
        assert match_names([key], "task", expected, [], unchanged, {}) == {key: expected[0]}


def test_names_that_lead_nowhere_are_left_out() -> None:
    expected = names("layers.0.output_adapters.adapters.task.up")
    key = "layers.1.output_adapters.adapters.task.up"
    assert match_names([key], "task", expected, ["layers.0"], unchanged, {}) == {}


def test_rearranged_layer() -> None:
    """The slot is found by the end of its path, if only one in the layer ends so."""
    layers = ["layers.0", "layers.1"]
    expected = names(
        "layers.0.attention_adapters.adapters.task.up",
        "layers.0.output_adapters.adapters.task.up",
        "layers.1.output_adapters.adapters.task.up",
    )
    key = "vit.layers.0.output.output_adapters.adapters.task.up"
    assert match_names([key], "task", expected, layers, unchanged, {}) == {key: expected[1]}
    unknown = "layers.0.elsewhere.adapters.task.up"
    assert match_names([unknown], "task", expected, layers, unchanged, {}) == {}


def test_two_candidates_are_none() -> None:
    expected = names("layers.0.a.output.adapters.task.up", "layers.0.b.output.adapters.task.up")
    assert match_names(["layers.0.output.adapters.task.up"], "task", expected, ["layers.0"], unchanged, {}) == {}


def test_two_names_for_one_tensor_are_refused() -> None:
    expected = names("layers.0.adapters.task.up")
    keys = ["layers.0.adapters.task.up", "model.layers.0.adapters.task.up"]
    with pytest.raises(AdapterFileError, match=r"both mean layers\.0\.adapters\.task\.up"):
        match_names(keys, "task", expected, [], unchanged, {})


def test_copies_of_the_prefixes_in_each_layer_are_no_conflict() -> None:
    key = "prefix_tuning.prefix_tunings.task.self_prefix.wte"
    expected, keys = names(key), [key, "h.0.attn.prefix_tuning.pool.prefix_tunings.task.self_prefix.wte"]
    assert set(match_names(keys, "task", expected, [], unchanged, {})) == set(keys)


def test_renamed_modules() -> None:
    expected = names("layers.0.attention.q_proj.loras.task.lora_A")
    key = "vit.encoder.layer.0.attention.attention.query.loras.task.lora_A"

    def rename(name: str) -> str:
        return name.replace("encoder.layer.", "layers.").replace("attention.query", "q_proj")

    assert match_names([key], "task", expected, [], rename, {}) == {key: expected[0]}


def test_places_that_the_file_names() -> None:
    expected = names("layers.0.output_adapters.adapters.task.up", "layers.0.attention_adapters.adapters.task.up")
    key = "vit.encoder.layer.0.output.adapters.task.up"
    moved = {"vit.encoder.layer.0.output": "layers.0.output_adapters"}
    assert match_names([key], "task", expected, ["layers.0"], unchanged, moved) == {key: expected[0]}


@pytest.mark.parametrize("method", ["seq_bn", "double_seq_bn", "lora", "prefix_tuning_flat", "loreft"])
@pytest.mark.parametrize("architecture", ["bart", "bert", "vit"])
def test_modules_that_moved_altogether(architecture: str, method: str, tmp_path: Path) -> None:
    """Their names have nothing in common with those of the model; the file says what places they were."""
    saved = build_adapted(architecture, method)
    saved.save_adapter(tmp_path, method)
    path, weights = tmp_path / "adapter_config.json", tmp_path / "adapter.safetensors"
    stored = json.loads(path.read_text())
    others = {host: f"once.{number}.here" for number, host in enumerate(stored["places"])}
    stored["places"] = {others[host]: place for host, place in stored["places"].items()}
    path.write_text(json.dumps(stored))
    save_file({moved(key, method, others): tensor for key, tensor in load_file(weights).items()}, weights)

    loaded, inputs = generated.init(build(architecture)), inputs_for(architecture)
    loaded.load_adapter(tmp_path, set_active=True)
    assert_identical(call(loaded, inputs), call(saved, inputs))
    if others and method != "prefix_tuning_flat":
        path.write_text(json.dumps(stored | {"places": {}}))
        with pytest.raises((AdapterFileError, UnsupportedMethodError)):
            generated.init(build(architecture)).load_adapter(tmp_path)


def moved(key: str, adapter: str, others: dict[str, str]) -> str:
    host = parse_name(key, adapter).host
    return key.replace(f"{host}.", f"{others[host]}.", 1) if host in others else key


def test_the_layout_of_earlier_releases(tmp_path: Path) -> None:
    """As a ViT of transformers 5.5 wrote it: its feed-forward output added the residual itself."""
    saved = build_adapted("vit", "double_seq_bn")
    saved.save_adapter(tmp_path, "double_seq_bn")
    path, weights = tmp_path / "adapter_config.json", tmp_path / "adapter.safetensors"

    def earlier(text: str) -> str:
        return text.replace("layers.", "encoder.layer.").replace("output_adapters", "output")

    path.write_text(earlier(path.read_text()))
    save_file({earlier(key): tensor for key, tensor in load_file(weights).items()}, weights)
    loaded, inputs = generated.init(build("vit")), inputs_for("vit")
    loaded.load_adapter(tmp_path, set_active=True)
    assert_identical(call(loaded, inputs), call(saved, inputs))


def test_places_are_of_the_part_that_is_there() -> None:
    """Where everything has moved, a decoder finds what was the decoder's, and nothing of the encoder."""
    whole = build_adapted("bart", "lora")
    places = places_of(whole.base_model, whole.state_dict(), "lora", "")
    alone = generated.init(BartForCausalLM(whole.config)).base_model

    found = moved_paths(alone, {f"once.there.{path}": place for path, place in places.items()})
    assert found
    assert all(f"once.there.{path}" == stored for stored, path in found.items())
    assert moved_paths(alone, places) == {}, "what leads somewhere has not moved"


@pytest.mark.parametrize("places", [["layers.0"], {"layers.0": 0}, "layers.0"])
def test_places_that_are_none(places: object, tmp_path: Path) -> None:
    build_adapted("bert", "lora").save_adapter(tmp_path, "lora")
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"places": places}))
    with pytest.raises(AdapterFileError, match="`places` of an adapter says of each path what place it is"):
        generated.init(build("bert")).load_adapter(tmp_path)


def test_legacy_folder(tmp_path: Path) -> None:
    """As adapter-transformers 1 wrote BERT adapters, with a config of that time."""
    saved = build_adapted("bert", "seq_bn_inv")
    saved.save_adapter(tmp_path, "seq_bn_inv")
    weights = load_file(tmp_path / "adapter.safetensors")
    (tmp_path / "adapter.safetensors").unlink()
    old = {
        f"bert.{key}".replace("output.adapters", "output.layer_text_lang_adapters").replace(
            "invertible_adapters", "invertible_lang_adapters"
        ): tensor
        for key, tensor in weights.items()
    }
    torch.save(old, tmp_path / "pytorch_adapter.bin")
    stored = json.loads((tmp_path / "adapter_config.json").read_text())
    del stored["version"], stored["config"]["inv_adapter"], stored["config"]["inv_adapter_reduction_factor"]
    stored["config"]["invertible_adapter"] = {"block_type": "nice", "reduction_factor": 2}
    (tmp_path / "adapter_config.json").write_text(json.dumps(stored))

    loaded, inputs = generated.init(build("bert")), inputs_for("bert")
    loaded.load_adapter(tmp_path, set_active=True, allow_pickle=True)
    assert_identical(call(loaded, inputs), call(saved, inputs))


def test_task_adapters_of_the_first_generation(tmp_path: Path) -> None:
    """Their configuration speaks of invertible adapters, which only language adapters had."""
    saved = build_adapted("bert", "seq_bn")
    saved.save_adapter(tmp_path, "seq_bn", with_head=False)
    path = tmp_path / "adapter_config.json"
    stored = json.loads(path.read_text()) | {"type": "text_task", "version": "1.1.1"}
    stored["config"]["invertible_adapter"] = {"block_type": "nice", "reduction_factor": 2}
    path.write_text(json.dumps(stored))

    loaded, inputs = generated.init(build("bert")), inputs_for("bert")
    loaded.load_adapter(tmp_path, set_active=True)
    assert_identical(call(loaded, inputs), call(saved, inputs))


def test_cross_attention_that_the_model_lacks(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Its weights have no place, and are not mistaken for those of self-attention."""
    config = build("bert").config
    config.is_decoder = config.add_cross_attention = True
    saved = generated.init(BertModel(config))
    add_random(saved, "lora", "lora")
    saved.save_adapter(tmp_path, "lora")
    loaded = generated.init(build("bert"))
    with caplog.at_level("WARNING", logger="generated"):
        loaded.load_adapter(tmp_path)
    assert "crossattention" in caplog.text
    for key, tensor in loaded.state_dict().items():
        assert ".lora" not in key or torch.equal(tensor, saved.state_dict()[key])


@pytest.mark.parametrize(
    ("architecture", "version", "warned"),
    [
        ("t5", "adapters.1.3.0", True),
        ("t5", "3.2.1", True),
        ("t5", "adaptergen.0.1.0", False),
        ("bart", "3.2.1", False),
    ],
)
def test_shifted_relative_positions_are_reported(
    architecture: str, version: str, warned: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build_adapted(architecture, "prefix_tuning").save_adapter(tmp_path, "prefix_tuning")
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": version}))
    generated.init(build(architecture)).load_adapter(tmp_path)
    assert ("relative positions" in caplog.text) == warned


def test_weights_without_place_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    build_adapted("bert", "lora").save_adapter(tmp_path, "lora")
    path = tmp_path / "adapter.safetensors"
    save_file(load_file(path) | {"encoder.layer.7.nowhere.loras.lora.lora_A": torch.zeros(1)}, path)
    model = generated.init(build("bert"))
    with caplog.at_level("WARNING", logger="generated"):
        model.load_adapter(tmp_path)
    assert "encoder.layer.7.nowhere" in caplog.text
