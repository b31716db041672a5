"""Heads that the library `adapters` saved, with the outputs it recorded: loaded here, they give the same numbers."""

import torch
from transformers import PreTrainedModel

from generated.core.auto import AutoAdapterModel
from tests_adapters.parity.recording import Case


def run_head_case(case: Case) -> PreTrainedModel:
    """Check one recorded case of kind `head`, and return the model with its adapter and head active."""
    model = load_head_case(case)

    assert model.active_head == case.data["head"]
    assert model.heads[model.active_head].config == case.data["head_config"]
    for run in case.runs:
        with torch.no_grad():
            case.compare(run, model(**case.recording.inputs(run)))
    return model


def load_head_case(case: Case) -> PreTrainedModel:
    """The adapter model of a case, with the recorded adapter and its head active."""
    (attention,), (adapter,) = case.attentions, case.adapters
    options = {"attn_implementation": attention} if attention else {}
    model = AutoAdapterModel.from_pretrained(case.recording.folder / "model", **options).eval()
    model.load_adapter(case.folder_of(adapter), set_active=True)
    return model
