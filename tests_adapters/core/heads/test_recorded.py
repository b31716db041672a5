"""The recorded heads, as they were saved, and after one round through our own files."""

from pathlib import Path

import torch

from generated.core.auto import AutoAdapterModel
from tests_adapters.core.heads.recorded import load_head_case, run_head_case
from tests_adapters.parity.collection import each_case
from tests_adapters.parity.recording import Case


@each_case("head")
def test_recorded_head(case: Case) -> None:
    run_head_case(case)


@each_case("head")
def test_round_trip(case: Case, tmp_path: Path) -> None:
    saved, loaded = load_head_case(case), AutoAdapterModel.from_pretrained(case.recording.folder / "model").eval()
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
    model = load_head_case(case)

    for run in case.runs:
        with torch.no_grad():
            case.compare(run, model(**case.recording.inputs(run)))
