"""Heads by name: as they were saved, after one round through our own files, and from the file of a fixed head."""

from pathlib import Path

import torch
from transformers import PreTrainedModel

from generated.core.auto import AutoAdapterModel
from tests_adapters.parity.collection import each_case
from tests_adapters.parity.recording import Case


def build(case: Case) -> PreTrainedModel:
    """The adapter model of a case, with the recorded adapter and its head active."""
    (attention,), (adapter,) = case.attentions, case.adapters
    options = {"attn_implementation": attention} if attention else {}
    model = AutoAdapterModel.from_pretrained(case.recording.folder / "model", **options).eval()
    model.load_adapter(case.folder_of(adapter), set_active=True, allow_pickle=True)
    return model


def compare(case: Case, model: PreTrainedModel) -> None:
    for run in case.runs:
        with torch.no_grad():
            case.compare(run, model(**case.recording.inputs(run)))


@each_case("head")
def test_recorded_head(case: Case) -> None:
    model = build(case)

    assert model.active_head == case.data["head"]
    assert model.heads[model.active_head].config == case.data["head_config"]
    compare(case, model)


@each_case("head")
def test_round_trip(case: Case, tmp_path: Path) -> None:
    saved, loaded = build(case), AutoAdapterModel.from_pretrained(case.recording.folder / "model").eval()
    loaded.set_attn_implementation(saved.config._attn_implementation)
    inputs = case.recording.inputs(case.runs[0])

    saved.save_adapter(tmp_path, saved.active_head)
    loaded.load_adapter(tmp_path, load_as="renamed", set_active=True)

    with torch.no_grad():
        actual, expected = loaded(**inputs), saved(**inputs)
    assert loaded.active_head == "renamed"
    assert all(torch.equal(actual[name], expected[name]) for name in case.runs[0]["outputs"])


@each_case("static_head")
def test_recorded_fixed_head_becomes_flexible(case: Case) -> None:
    compare(case, build(case))
