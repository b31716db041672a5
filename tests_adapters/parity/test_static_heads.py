"""Outputs of transformers classes with a fixed head, when the adapter's folder brings the weights of the head."""

import torch

from tests_adapters.parity.collection import each_case
from tests_adapters.parity.recording import Case


@each_case("static_head")
def test_head_of_folder(case: Case) -> None:
    model = case.build(case.attentions[0])
    for run in case.runs:
        with torch.no_grad():
            case.compare(run, model(**case.recording.inputs(run)))


@each_case("static_head")
def test_head_round_trip(case: Case, tmp_path) -> None:
    saved, loaded = case.build(case.attentions[0]), case.recording.build(case.data["model_class"], case.attentions[0])
    (name,) = saved.adapters_config
    saved.save_adapter(tmp_path, name)
    loaded.load_adapter(tmp_path, set_active=True)
    inputs = case.recording.inputs(case.runs[0])
    with torch.no_grad():
        assert torch.equal(saved(**inputs).logits, loaded(**inputs).logits)
