"""Whole models with adapters among their weights, as the libraries before this one saved them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import BertForSequenceClassification

import generated
from generated.core.composition import Fuse
from generated.core.configuration import LoRAConfig, SeqBnConfig, SeqBnInvConfig
from generated.core.errors import AdapterFileError
from tests_adapters.core.zoo import add_random, assert_identical, build, call, inputs_for, tree


INPUTS = inputs_for("bert")


def adapter_model() -> Any:
    """With "task" and its head, "lang", and the mixture "task,other"."""
    model = generated.BertAdapterModel(build("bert").config).eval()
    for name, config in {
        "lang": SeqBnInvConfig(reduction_factor=8, non_linearity="gelu_new"),
        "task": SeqBnConfig(reduction_factor=4, non_linearity="relu"),
        "other": SeqBnConfig(reduction_factor=4, non_linearity="relu"),
        "lora": LoRAConfig(r=2),
    }.items():
        add_random(model, name, config)
    model.add_adapter_fusion(["task", "other"], config="static")
    model.add_classification_head("task", num_labels=3, id2label={0: "a", 1: "b", 2: "c"})
    return model


def listed(model: Any, *, era: str) -> dict[str, Any]:
    """What `config.json` said of adapters."""
    configs = {name: config.to_dict() for name, config in model.adapters_config.adapters.items()}
    heads = {"prediction_heads": {name: head.config for name, head in model.heads.items()}}
    if era == "first":
        configs = {name: config for name, config in configs.items() if name != "lora"}
        nested = {"block_type": "nice", "reduction_factor": configs["lang"]["inv_adapter_reduction_factor"]}
        for config in configs.values():  # also those of tasks spoke of invertible adapters
            config |= {"inv_adapter": None, "inv_adapter_reduction_factor": None, "invertible_adapter": nested}
        configs["lang"]["non_linearity"] = "gelu"
        kinds = {"lang": "text_lang", "task": "text_task", "other": "text_task"}
        adapters = {
            "adapters": {"lang": ["text_lang", None], "task": ["text_task", "h1"], "other": ["text_task", "h1"]},
            "config_map": {"text_lang": configs["lang"], "text_task": "pfeiffer", "h1": configs["task"]},
        }
        assert kinds.keys() == adapters["adapters"].keys()
        fusion = model.adapters_config.fusions["task,other"].config.to_dict()
        return {"adapters": adapters, "adapter_fusion_models": ["task,other"], "adapter_fusion": fusion, **heads}
    adapters = {
        "adapters": {name: f"hash of {name}" for name in configs},
        "config_map": {f"hash of {name}": config for name, config in configs.items()},
        "fusions": {"task,other": "static"},
        "fusion_config_map": {},
    }
    if era == "adapters 1":
        adapters["fusion_name_map"] = {"task,other": ["task", "other"]}
    return {"adapters": adapters, **heads}


def save_as_before(model: Any, folder: Path, era: str, pickled: bool = False) -> None:
    """A checkpoint of an earlier library: everything in one file."""
    folder.mkdir(exist_ok=True)
    config = model.config.to_dict() | listed(model, era=era) | {"architectures": ["BertModelWithHeads"]}
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    if era == "first":
        tensors = {_first_name(name): tensor for name, tensor in tensors.items() if ".loras." not in name}
    if pickled:
        torch.save(tensors, folder / "pytorch_model.bin")
    else:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _first_name(name: str) -> str:
    kind = "lang" if ".lang." in name else "task"
    name = name.replace("output.adapters.", f"output.layer_text_{kind}_adapters.")
    return name.replace("invertible_adapters.", "invertible_lang_adapters.")


def outputs(model: Any, names: list[str]) -> Mapping[str, list[torch.Tensor]]:
    found = {}
    for name in names:
        model.set_active_adapters(name)
        found[name] = call(model.base_model, INPUTS)
    model.set_active_adapters(Fuse("task", "other"))
    return found | {"mixture": call(model.base_model, INPUTS)}


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize("era", ["first", "adapter-transformers 3", "adapters 1"])
def test_adapter_models(era: str, pickled: bool, tmp_path: Path) -> None:
    saved = adapter_model()
    save_as_before(saved, tmp_path, era, pickled)
    loaded, report = generated.AutoAdapterModel.from_pretrained(
        tmp_path, attn_implementation="eager", output_loading_info=True
    )
    loaded.eval()
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    names = list(loaded.adapters_config)
    assert names == [name for name in saved.adapters_config if era != "first" or name != "lora"]
    expected = outputs(saved, names)
    for name, numbers in outputs(loaded, names).items():
        assert_identical(numbers, expected[name])
    assert loaded.get_labels("task") == ["a", "b", "c"]
    for model in (saved, loaded):
        model.set_active_adapters("task")
    assert_identical(call(loaded, INPUTS), call(saved, INPUTS))


def test_saved_again_it_is_a_checkpoint_of_today(tmp_path: Path) -> None:
    save_as_before(adapter_model(), tmp_path / "old", "adapters 1")
    loaded = generated.AutoAdapterModel.from_pretrained(tmp_path / "old")
    loaded.save_pretrained(tmp_path / "new")
    assert not {"adapters", "prediction_heads"} & json.loads((tmp_path / "new" / "config.json").read_text()).keys()
    again = generated.AutoAdapterModel.from_pretrained(tmp_path / "new")
    assert sorted(again.adapters_config) == sorted(loaded.adapters_config)
    assert list(again.heads) == ["task"]


def test_classes_of_transformers(tmp_path: Path) -> None:
    saved = adapter_model()
    save_as_before(saved, tmp_path, "adapter-transformers 3")
    loaded = BertForSequenceClassification.from_pretrained(tmp_path, attn_implementation="eager").eval()
    generated.init(loaded)
    names = loaded.load_all_adapters(tmp_path)
    assert names == ["lang", "task", "other", "lora"]
    expected = outputs(saved, names)
    for name, numbers in outputs(loaded, names).items():
        assert_identical(numbers, expected[name])
    assert not hasattr(loaded.config, "adapters")


@pytest.mark.parametrize("pickled", [False, True])
def test_classes_of_transformers_by_one_call(pickled: bool, tmp_path: Path) -> None:
    """Old checkpoints and those of today."""
    save_as_before(adapter_model(), tmp_path / "old", "adapters 1", pickled)
    old = generated.load_model(tmp_path / "old", BertForSequenceClassification)
    old.save_pretrained(tmp_path / "new")
    new = generated.load_model(tmp_path / "new", BertForSequenceClassification)
    for model in (old, new):
        assert set(model.adapters_config) == {"lang", "task", "other", "lora"}
        assert set(model.adapters_config.fusions) == {"task,other"}


def test_head_folders_of_former_classes(tmp_path: Path) -> None:
    """`BertModelWithHeads` was the adapter model of its time."""
    saved = adapter_model()
    saved.save_head(tmp_path, "task")
    path = tmp_path / "head_config.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "model_class": "BertModelWithHeads", "version": "2.3.0"}))
    loaded = generated.BertAdapterModel(saved.config).eval()
    loaded.base_model.load_state_dict(saved.base_model.state_dict(), strict=False)
    assert loaded.load_head(tmp_path) == "task"
    saved.set_active_adapters(None)
    saved.active_head = "task"
    assert_identical(call(loaded, INPUTS), call(saved, INPUTS))


def test_pickles_are_not_read_unasked(tmp_path: Path) -> None:
    save_as_before(adapter_model(), tmp_path, "adapters 1", pickled=True)
    model = generated.init(build("bert"))
    before = tree(model)
    with pytest.raises(AdapterFileError, match="allow_pickle=True"):
        model.load_all_adapters(tmp_path)
    assert tree(model) == before
    assert "task" in model.load_all_adapters(tmp_path, allow_pickle=True)


def test_what_does_not_fit_is_left_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_as_before(adapter_model(), tmp_path, "adapters 1")
    path = tmp_path / "config.json"
    stored = json.loads(path.read_text())
    stored["adapters"]["config_map"]["hash of task"]["reduction_factor"] = 2
    stored["adapters"]["config_map"]["hash of lora"]["architecture"] = "unheard_of"
    stored["prediction_heads"]["task"]["head_type"] = "unheard_of"
    path.write_text(json.dumps(stored))
    with caplog.at_level("WARNING", logger="generated"):
        loaded = generated.AutoAdapterModel.from_pretrained(tmp_path)
    assert list(loaded.adapters_config) == ["lang", "other"]
    assert not loaded.adapters_config.fusions
    assert not loaded.heads
    assert all(text in caplog.text for text in ("'task' inside", "'lora' inside", "mixture", "the head 'task'"))


@pytest.mark.parametrize("adapters", [3, {"adapters": ["a"]}, {"adapters": {"a": ["text_task", None]}}])
def test_damaged_lists(adapters: Any, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(build("bert").config.to_dict() | {"adapters": adapters}))
    with pytest.raises(AdapterFileError, match="is damaged"):
        generated.init(build("bert")).load_all_adapters(tmp_path)
