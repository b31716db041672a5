"""Mixtures and setups on disk; arguments of `load_adapter` and `save_adapter` of both eras."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertForSequenceClassification

import generated
from generated.core.composition import BatchSplit, Fuse, Stack
from generated.core.configuration import SeqBnConfig
from generated.core.errors import AdapterFileError, UnknownAdapterError, UnsupportedCompositionError
from generated.core.fusions import fusion_parameters
from tests_adapters.core.zoo import (
    add_random,
    assert_identical,
    build,
    build_adapted,
    call,
    each_architecture,
    fresh,
    inputs_for,
    tree,
)


CONFIG = "adapter_config.json"


def with_mixture(architecture: str = "bert", cls: Any = None, config: str = "dynamic") -> Any:
    """A model with "a", "b" and their mixture, none of whose weights is as it began."""
    model = fresh(architecture, cls)
    for name in ("a", "bb"):
        add_random(model, name, SeqBnConfig(reduction_factor=4))
    model.add_adapter_fusion(["a", "bb"], config=config, set_active=True)
    with torch.no_grad():
        for number, parameter in enumerate(fusion_parameters(model.adapted_base, "a,bb")):
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)))
    return model


def with_adapters_of(model: Any, folder: Path) -> Any:
    """A new model of the same architecture with the same adapters."""
    model.save_all_adapters(folder, with_head=False)
    loaded = fresh(model.config.model_type, None if model.base_model is model else type(model).__mro__[2])
    loaded.load_all_adapters(folder)
    return loaded


@pytest.mark.parametrize("use_safetensors", [True, False])
@pytest.mark.parametrize("load_as", [None, "other"])
@each_architecture
def test_mixtures(architecture: str, load_as: str | None, use_safetensors: bool, tmp_path: Path) -> None:
    saved, inputs = with_mixture(architecture), inputs_for(architecture)
    saved.save_adapter_fusion(tmp_path / "fusion", ["a", "bb"], use_safetensors=use_safetensors)
    loaded = with_adapters_of(saved, tmp_path / "adapters")
    name = loaded.load_adapter_fusion(tmp_path / "fusion", load_as, set_active=True, allow_pickle=True)
    assert name == (load_as or "a,bb")
    assert loaded.adapters_config.fusions[name] == saved.adapters_config.fusions["a,bb"]
    assert_identical(call(loaded, inputs), call(saved, inputs))


def test_mixture_without_its_adapters(tmp_path: Path) -> None:
    with_mixture().save_adapter_fusion(tmp_path, "a,bb")
    model = fresh("bert")
    before = tree(model)
    with pytest.raises(UnknownAdapterError, match="a, bb"):
        model.load_adapter_fusion(tmp_path)
    assert tree(model) == before


def test_unfit_mixture_leaves_the_one_that_is_there(tmp_path: Path) -> None:
    model, inputs = with_mixture(), inputs_for("bert")
    with_mixture(config="static").save_adapter_fusion(tmp_path, Fuse("a", "bb"))
    path = tmp_path / "adapter_fusion_config.json"
    stored = json.loads(path.read_text())
    stored["config"]["value"] = True
    path.write_text(json.dumps(stored))
    before, numbers = tree(model), call(model, inputs)
    with pytest.raises(AdapterFileError, match=r"missing: .*\.value\.weight"):
        model.load_adapter_fusion(tmp_path)
    assert tree(model) == before
    assert_identical(call(model, inputs), numbers)


def test_mixtures_of_the_first_era(tmp_path: Path) -> None:
    """Their name alone says what is mixed."""
    saved = with_mixture()
    saved.save_adapter_fusion(tmp_path / "fusion", "a,bb")
    path = tmp_path / "fusion" / "adapter_fusion_config.json"
    stored = json.loads(path.read_text())
    del stored["adapter_names"]
    path.write_text(json.dumps(stored | {"version": "3.2.1"}))
    loaded = with_adapters_of(saved, tmp_path / "adapters")
    loaded.load_adapter_fusion(tmp_path / "fusion", set_active=True)
    assert_identical(call(loaded, inputs_for("bert")), call(saved, inputs_for("bert")))


def test_checkpoints_hold_mixtures(tmp_path: Path) -> None:
    model = generated.BertAdapterModel(build("bert").config).eval()
    for name in ("a", "bb"):
        add_random(model, name, SeqBnConfig(reduction_factor=4))
    model.add_adapter_fusion(["a", "bb"], set_active=True)
    model.save_pretrained(tmp_path)
    loaded, report = type(model).from_pretrained(tmp_path, output_loading_info=True, attn_implementation="eager")
    assert not report["unexpected_keys"]
    loaded.set_active_adapters(Fuse("a", "bb"))
    assert_identical(call(loaded.eval(), inputs_for("bert")), call(model, inputs_for("bert")))


def test_what_is_deleted_goes_from_the_folder_too(tmp_path: Path) -> None:
    model = generated.BertAdapterModel(build("bert").config)
    for name in ("a", "bb", "nested/c"):
        model.add_adapter(name, config="seq_bn")
        model.add_classification_head(name)
    model.add_adapter_fusion(["a", "bb"])
    model.save_pretrained(tmp_path)
    (tmp_path / "adapters" / "a" / "notes.txt").write_text("of people")
    for name in ("a", "nested/c"):
        model.delete_adapter(name)
        model.delete_head(name)
    model.save_pretrained(tmp_path)
    left = {
        path.relative_to(tmp_path).as_posix()
        for kind in ("adapters", "fusions", "heads")
        for path in (tmp_path / kind).rglob("*")
        if path.is_file()
    }
    assert left == {
        "adapters/a/notes.txt",
        "adapters/bb/adapter.safetensors",
        "adapters/bb/adapter_config.json",
        "heads/bb/head_config.json",
        "heads/bb/model_head.safetensors",
    }
    assert not (tmp_path / "adapters" / "nested").exists()
    assert list(type(model).from_pretrained(tmp_path).adapters_config) == ["bb"]


SETUPS = {
    "stack": Stack("a", "bb"),
    "mixture": Stack("c", Fuse("a", "bb")),
    "list": ["bb", "c"],
}


@pytest.mark.parametrize("setup", SETUPS)
def test_setups(setup: str, tmp_path: Path) -> None:
    saved, inputs = with_mixture(), inputs_for("bert")
    add_random(saved, "c", SeqBnConfig(reduction_factor=8))
    saved.set_active_adapters(SETUPS[setup])
    saved.save_adapter_setup(tmp_path, SETUPS[setup], use_safetensors=False)
    loaded = fresh("bert")
    assert loaded.load_adapter_setup(tmp_path, set_active=True, allow_pickle=True) == (saved.active_adapters, None)
    assert loaded.active_adapters == saved.active_adapters
    assert list(loaded.adapters_config) == list(saved.active_adapters.names)
    assert_identical(call(loaded, inputs), call(saved, inputs))


def test_setups_with_heads(tmp_path: Path) -> None:
    saved = generated.BertAdapterModel(build("bert").config).eval()
    for name in ("a", "bb"):
        add_random(saved, name, SeqBnConfig(reduction_factor=4))
        saved.add_classification_head(name)
    saved.save_adapter_setup(tmp_path, Stack("a", "bb"), head_setup="bb")
    loaded = generated.BertAdapterModel(saved.config).eval()
    loaded.base_model.load_state_dict(saved.base_model.state_dict(), strict=False)
    assert loaded.load_adapter_setup(tmp_path, set_active=True) == (Stack("a", "bb"), "bb")
    assert loaded.active_head == "bb"
    saved.set_active_adapters(Stack("a", "bb"))
    saved.active_head = "bb"
    assert_identical(call(loaded, inputs_for("bert")), call(saved, inputs_for("bert")))


def test_setups_that_lost_an_adapter(tmp_path: Path) -> None:
    """Files know no gaps: which example goes where would change."""
    model = fresh("bert")
    for name in ("a", "b"):
        model.add_adapter(name, config="lora")
    model.set_active_adapters(BatchSplit("a", "b", batch_sizes=1))
    model.delete_adapter("a")
    with pytest.raises(UnsupportedCompositionError, match="was deleted"):
        model.save_adapter_setup(tmp_path / "setup", model.active_adapters)
    assert not (tmp_path / "setup").exists()


def test_setup_that_is_not_there(tmp_path: Path) -> None:
    model = fresh("bert")
    model.add_adapter("a", config="lora")
    for setup in (Stack("a", "nobody"), Fuse("a", "nobody")):
        with pytest.raises(UnknownAdapterError):
            model.save_adapter_setup(tmp_path / "folder", setup)
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"adapter_setup": 3},
        {"adapter_setup": {"type": "Stack", "children": [{"type": "single", "children": ["../a"]}]}},
        {"adapter_setup": {"type": "Stack", "children": [{"type": "single", "children": [3]}]}},
        {"adapter_setup": {"type": "single", "children": ["a"]}, "head_setup": ["../x"]},
    ],
)
def test_damaged_setups(stored: Any, tmp_path: Path) -> None:
    (tmp_path / "adapter_setup.json").write_text(json.dumps(stored))
    model = fresh("bert")
    before = tree(model)
    with pytest.raises(AdapterFileError):
        model.load_adapter_setup(tmp_path)
    assert tree(model) == before


@pytest.mark.parametrize("what", ["adapter", "mixture"])
def test_setup_of_which_a_part_is_missing(what: str, tmp_path: Path) -> None:
    """Nothing of it stays."""
    with_mixture().save_adapter_setup(tmp_path, Fuse("a", "bb"))
    name = "bb/adapter.safetensors" if what == "adapter" else "a,bb/model_adapter_fusion.safetensors"
    (tmp_path / name).unlink()
    model = fresh("bert")
    before = tree(model)
    with pytest.raises(AdapterFileError, match="holds neither"):
        model.load_adapter_setup(tmp_path)
    assert tree(model) == before
    assert not model.has_adapters()


def test_arguments_of_former_versions(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By position as far as both eras agree, the others by name."""
    build_adapted("bert", "lora").save_adapter(tmp_path, "lora")
    model = fresh("bert")
    with caplog.at_level("WARNING", logger="generated"):
        assert model.load_adapter(tmp_path, "pfeiffer", None, "bert-base-uncased", "task") == "task"
    assert "config and model_name told" in caplog.text
    caplog.clear()
    with caplog.at_level("WARNING", logger="generated"):
        model.load_adapter(tmp_path, load_as="more", source="ah", use_safetensors=True, id2label=None)
    assert "source told" in caplog.text
    with pytest.raises(TypeError, match="unexpected arguments: nonsense"):
        model.load_adapter(tmp_path, nonsense=3)


@pytest.mark.parametrize("cls", [None, BertForSequenceClassification])
def test_pickles_on_demand(cls: Any, tmp_path: Path) -> None:
    saved, loaded = build_adapted("bert", "lora", cls), fresh("bert", cls)
    saved.save_adapter(tmp_path, "lora")
    saved.save_all_adapters(tmp_path / "all", use_safetensors=False)
    saved.save_adapter(tmp_path, "lora", use_safetensors=False)
    for folder in (tmp_path, tmp_path / "all" / "lora"):
        assert not list(folder.glob("*.safetensors"))
        with pytest.raises(AdapterFileError, match="allow_pickle=True"):
            loaded.load_adapter(folder, use_safetensors=True, allow_pickle=True)
        loaded.load_adapter(folder, allow_pickle=True, set_active=True)
        assert_identical(call(loaded, inputs_for("bert")), call(saved, inputs_for("bert")))


class Notes:
    """Keeps a note beside an adapter."""

    def __init__(self) -> None:
        self.read: list[Any] = []

    def save(self, save_directory: str, name: str) -> None:
        Path(save_directory, "note").write_text(name)

    def load(self, save_directory: str, load_as: str | None = None, **kwargs: Any) -> None:
        self.read.append((Path(save_directory, "note").read_text(), load_as, kwargs["main_load_name"]))


def test_loaders_of_other_weights(tmp_path: Path) -> None:
    saved, loaded, notes = with_mixture(), fresh("bert"), Notes()
    saved.save_adapter(tmp_path / "a", "a", custom_weights_loaders=[notes])
    saved.save_all_adapters(tmp_path, custom_weights_loaders=[notes])
    saved.save_adapter_fusion(tmp_path / "both", "a,bb", custom_weights_loaders=[notes])
    loaded.load_adapter(tmp_path / "a", load_as="x", custom_weights_loaders=[notes])
    loaded.load_adapter(tmp_path / "a")
    loaded.load_adapter(tmp_path / "bb", custom_weights_loaders=[notes])
    loaded.load_adapter_fusion(tmp_path / "both", custom_weights_loaders=[notes])
    assert notes.read == [("a", "x", "x"), ("bb", None, "bb"), ("a,bb", None, "a,bb")]


def test_labels_of_a_head_can_be_renamed(tmp_path: Path) -> None:
    saved, loaded = (generated.BertAdapterModel(build("bert").config) for _ in range(2))
    saved.add_adapter("task", config="lora")
    saved.add_classification_head("task", num_labels=2)
    saved.save_adapter(tmp_path, "task")
    loaded.load_adapter(tmp_path, id2label={0: "no", 1: "yes"})
    assert loaded.get_labels("task") == ["no", "yes"]


@pytest.mark.parametrize("name", ["sentiment/sst-2@ukp", "nowhere/to be found", "no-such-folder"])
def test_names_that_mean_nothing(name: str) -> None:
    with pytest.raises(AdapterFileError, match=r"former index|cannot be fetched"):
        fresh("bert").load_adapter(name, local_files_only=True)
