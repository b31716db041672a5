"""Folders that are damaged, unfit or hostile: the model stays as it was, and no code is run."""

import json
import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.big_modeling import cpu_offload
from safetensors.torch import load_file, save_file
from transformers import BertForSequenceClassification, BertModel

from generated.core.errors import AdapterFileError
from tests_adapters.core.zoo import (
    assert_identical,
    build_adapted,
    call,
    fresh,
    inputs_for,
    tree,
)


WEIGHTS, CONFIG, PICKLE = "adapter.safetensors", "adapter_config.json", "pytorch_adapter.bin"


@pytest.mark.parametrize("is_there", [False, True], ids=["new", "replaced"])
def test_damaged_head_takes_its_adapter_along(is_there: bool, tmp_path: Path) -> None:
    """Nothing is loaded, and an adapter of the same name stays."""
    saved = build_adapted("bert", "lora", BertForSequenceClassification)
    saved.save_adapter(tmp_path, "lora")
    (tmp_path / "model_head.safetensors").write_bytes(b"not weights")
    model = saved if is_there else fresh("bert", BertForSequenceClassification)
    inputs, before = inputs_for("bert"), tree(model)
    expected = call(model, inputs)
    with pytest.raises(AdapterFileError, match="cannot be read as weights"):
        model.load_adapter(tmp_path)
    assert tree(model) == before
    assert_identical(call(model, inputs), expected)


def test_adapter_of_another_architecture(tmp_path: Path) -> None:
    """Also where all shapes agree."""
    build_adapted("gpt2", "seq_bn").save_adapter(tmp_path, "seq_bn")
    with pytest.raises(AdapterFileError, match="holds an adapter for gpt2, this model is a gpt_neo"):
        fresh("gpt_neo").load_adapter(tmp_path)


@pytest.mark.parametrize("is_there", [False, True], ids=["new", "replaced"])
@pytest.mark.parametrize("cls", [BertModel, BertForSequenceClassification])
def test_messages_name_the_adapter_itself(cls: type, is_there: bool, tmp_path: Path) -> None:
    """Not a name under which it was tried."""
    saved = build_adapted("bert", "lora", cls)
    saved.save_adapter(tmp_path, "lora")
    tensors = load_file(tmp_path / WEIGHTS)
    missing = min(tensors)
    save_file({name: tensor for name, tensor in tensors.items() if name != missing}, tmp_path / WEIGHTS)
    model = saved if is_there else fresh("bert", cls)
    with pytest.raises(AdapterFileError, match=rf"missing: {re.escape(missing.removeprefix('bert.'))}$"):
        model.load_adapter(tmp_path)


@pytest.mark.parametrize("version", [None, 3, ["x"]])
def test_a_version_that_is_none_says_nothing(version: object, tmp_path: Path) -> None:
    build_adapted("bert", "lora").save_adapter(tmp_path, "lora")
    stored = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps({**stored, "version": version}))
    assert fresh("bert").load_adapter(tmp_path) == "lora"


def test_offloaded_heads_are_not_written(tmp_path: Path) -> None:
    model = fresh("bert", BertForSequenceClassification)
    cpu_offload(model, torch.device("cpu"))
    with pytest.raises(AdapterFileError, match="is offloaded and cannot be written"):
        model.save_head(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def damage(folder: Path, how: str) -> None:
    """Make an adapter folder unreadable, or unfit for the model that wrote it."""
    weights = load_file(folder / WEIGHTS)
    first = sorted(weights)[0]
    if how == "truncated":
        data = (folder / WEIGHTS).read_bytes()
        (folder / WEIGHTS).write_bytes(data[: len(data) // 2])
    elif how == "wrong shape":
        save_file(weights | {first: torch.zeros(3, 3)}, folder / WEIGHTS)
    elif how == "missing tensor":
        save_file({name: tensor for name, tensor in weights.items() if name != first}, folder / WEIGHTS)
    elif how == "no weights":
        (folder / WEIGHTS).unlink()
    elif how == "broken json":
        (folder / CONFIG).write_text('{"config": {')
    elif how == "no name":
        (folder / CONFIG).write_text('{"config": {}}')
    elif how == "no config":
        (folder / CONFIG).unlink()
    elif how == "peft":
        (folder / CONFIG).write_text('{"peft_type": "LORA"}')
    else:
        change_config(folder, **json.loads(how))


def change_config(folder: Path, **changes: Any) -> None:
    stored = json.loads((folder / CONFIG).read_text())
    stored["config"] |= changes
    (folder / CONFIG).write_text(json.dumps(stored))


DAMAGES = {
    "truncated": "adapter.safetensors cannot be read",
    "wrong shape": r"is \(3, 3\), the model needs",
    "missing tensor": "missing: encoder.layer.0",
    "no weights": "holds neither",
    "broken json": "cannot be read as JSON",
    "no name": "lacks `name` or `config`",
    "no config": "does not exist",
    "peft": r"neither adapter_model.safetensors nor",
    '{"architecture": "unheard_of"}': "'unheard_of' are not supported",
    '{"reduction_factor": 2}': "wrong shape",
    '{"non_linearity": "no_such_function"}': "no_such_function",
    '{"reduction_factor": 1e-12}': "asks for far more numbers than its files hold",
}


@pytest.mark.parametrize("how", DAMAGES)
def test_bad_folders_leave_the_model_unchanged(how: str, tmp_path: Path) -> None:
    build_adapted("bert", "seq_bn").save_adapter(tmp_path, "seq_bn")
    damage(tmp_path, how)
    model, inputs = build_adapted("bert", "seq_bn"), inputs_for("bert")
    before, numbers, weights = tree(model), call(model, inputs), list(model.state_dict())

    for name in ("new", "seq_bn"):
        with pytest.raises(Exception, match=DAMAGES[how]):
            model.load_adapter(tmp_path, load_as=name)
        assert tree(model) == before
        assert list(model.state_dict()) == weights
        assert list(model.adapters_config) == ["seq_bn"]
        assert_identical(call(model, inputs), numbers)


class Trap:
    """Unpickling this would create a directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def write_plain_pickle(content: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize("write", [torch.save, write_plain_pickle])
def test_code_in_a_pickle_is_never_run(write: Any, tmp_path: Path) -> None:
    build_adapted("bert", "seq_bn").save_adapter(tmp_path, "seq_bn")
    (tmp_path / WEIGHTS).unlink()
    write({"weight": Trap(tmp_path / "sprung")}, tmp_path / PICKLE)
    model = fresh("bert")
    before = tree(model)
    for allow_pickle, message in ((False, "allow_pickle=True"), (True, "cannot be read as weights")):
        with pytest.raises(AdapterFileError, match=message):
            model.load_adapter(tmp_path, allow_pickle=allow_pickle)
    assert not (tmp_path / "sprung").exists()
    assert tree(model) == before


def test_pickle_of_something_else_is_refused(tmp_path: Path) -> None:
    build_adapted("bert", "seq_bn").save_adapter(tmp_path, "seq_bn")
    (tmp_path / WEIGHTS).unlink()
    torch.save({"weight": [1, 2]}, tmp_path / PICKLE)
    with pytest.raises(AdapterFileError, match="something else than tensors"):
        fresh("bert").load_adapter(tmp_path, allow_pickle=True)


def test_missing_layer_of_lora_is_noticed(tmp_path: Path) -> None:
    build_adapted("llama", "lora").save_adapter(tmp_path, "lora")
    weights = load_file(tmp_path / WEIGHTS)
    save_file({name: tensor for name, tensor in weights.items() if "layers.1.mlp" not in name}, tmp_path / WEIGHTS)
    with pytest.raises(AdapterFileError, match=r"missing: layers\.1\.mlp\.down_proj"):
        fresh("llama").load_adapter(tmp_path)
