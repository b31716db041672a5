"""Files: what we write has the names and shapes of the recorded files, and reads back to the same numbers."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from generated.core.fusions import fusion_tensors
from generated.core.loading.folder import ADAPTER_FILES, FUSION_FILES, read_config, read_tensors
from generated.core.loading.keys import is_pool_duplicate, parse_name
from tests_adapters.parity.collection import each_case
from tests_adapters.parity.recording import Case
from tests_adapters.parity.translation import translate, translate_tensors


def shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def recorded_tensors(case: Case) -> dict[str, Tensor]:
    """The content of the recorded file; prefixes once, and not again for each layer."""
    (adapter,) = case.adapters
    _, tensors = read_tensors(case.folder_of(adapter), ADAPTER_FILES, allow_pickle=True)
    return {key: tensor for key, tensor in tensors.items() if not is_pool_duplicate(key)}


@pytest.mark.parametrize("load_as", [None, "renamed"], ids=["same-name", "renamed"])
@each_case("single")
def test_round_trip(case: Case, load_as: str | None, tmp_path: Path) -> None:
    (adapter,) = case.adapters
    model, again = (case.recording.build(attention=case.attentions[0]) for _ in range(2))
    name = model.load_adapter(case.folder_of(adapter), load_as=load_as, set_active=True, allow_pickle=True)
    assert name == (load_as or adapter["name"])
    model.save_adapter(tmp_path, name)
    again.load_adapter(tmp_path, set_active=True)

    recorded = {parse_name(key, adapter["name"]).full(name): tensor for key, tensor in recorded_tensors(case).items()}
    names = translate(model, recorded, name)
    expected = {names[key]: tensor for key, tensor in recorded.items()}
    assert shapes(load_file(tmp_path / ADAPTER_FILES.safetensors)) == shapes(expected)

    inputs = case.recording.inputs(case.runs[0])
    with torch.no_grad():
        assert torch.equal(model(**inputs).last_hidden_state, again(**inputs).last_hidden_state)


def keeps_its_names(case: Case) -> bool:
    """transformers 5 renamed the modules of ViT, and AdapterHub called a location of DistilBERT otherwise."""
    return case.recording.name not in ("distilbert", "vit")


@each_case("single", where=keeps_its_names)
def test_names_are_the_recorded_ones(case: Case, tmp_path: Path) -> None:
    """Not only up to translation: letter by letter, but for the name of the base model in the saving class."""
    (adapter,) = case.adapters
    model = case.recording.build(attention=case.attentions[0])
    model.load_adapter(case.folder_of(adapter), allow_pickle=True)
    model.save_adapter(tmp_path, adapter["name"])

    recorded = {key.removeprefix(case.recording.key_prefix) for key in recorded_tensors(case)}
    assert set(load_file(tmp_path / ADAPTER_FILES.safetensors)) == recorded


@each_case("single")
def test_configuration_survives(case: Case, tmp_path: Path) -> None:
    (adapter,) = case.adapters
    model = case.recording.build(attention=case.attentions[0])
    model.load_adapter(case.folder_of(adapter), allow_pickle=True)
    model.save_adapter(tmp_path, adapter["name"], meta_dict={"note": "kept"})

    recorded, written = (read_config(folder, ADAPTER_FILES) for folder in (case.folder_of(adapter), tmp_path))
    for own in ("mlp_matrices", "vera_full"):
        written["config"].pop(own, None)
    assert written["config"] == recorded["config"]
    assert written["note"] == "kept"
    same = ("hidden_size", "model_type", "name")
    assert {key: written[key] for key in same} == {key: recorded[key] for key in same}


def has_mixtures(case: Case) -> bool:
    return bool(case.fusions)


@each_case("composition", where=has_mixtures)
def test_mixtures(case: Case, tmp_path: Path) -> None:
    """Names and shapes as recorded, and the same numbers again."""
    model = case.build(case.attentions[0])
    base, again = model.base_model, case.recording.build(case.data.get("model_class"), case.attentions[0])
    for adapter in case.adapters:
        again.load_adapter(case.folder_of(adapter), allow_pickle=True)
    for fusion in case.fusions:
        name = fusion["name"]
        model.save_adapter_fusion(tmp_path / name, name)
        again.load_adapter_fusion(tmp_path / name)
        _, recorded = read_tensors(case.folder_of(fusion), FUSION_FILES, allow_pickle=True)
        matched = translate_tensors(base, recorded, name, fusion_tensors(base, name))
        _, written = read_tensors(tmp_path / name, FUSION_FILES, allow_pickle=False)
        assert shapes(written) == {matched[key]: tuple(tensor.shape) for key, tensor in recorded.items()}
        assert read_config(tmp_path / name, FUSION_FILES)["config"] == fusion["config"]
    again.set_active_adapters(case.setup)
    for run in case.runs:
        with torch.no_grad():
            case.compare(run, again(**case.recording.inputs(run)))
