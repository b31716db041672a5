"""Means of adapters, and adapters merged into the weights."""

import torch
from torch import nn

from tests_adapters.parity.collection import each_case
from tests_adapters.parity.peculiarities import keep_alpha
from tests_adapters.parity.recording import Case


def loaded(case: Case) -> nn.Module:
    (attention,) = case.attentions
    model = case.recording.build(case.data.get("model_class"), attention)
    for adapter in case.adapters:
        model.load_adapter(case.folder_of(adapter), allow_pickle=True)
    return model


def compare(case: Case, model: nn.Module) -> None:
    for run in case.runs:
        with torch.no_grad():
            case.compare(run, model(**case.recording.inputs(run)))


@each_case("average_adapter")
def test_mean_of_adapters(case: Case) -> None:
    model, options = loaded(case), dict(case.data["average"])
    name = options.pop("new_name")
    model.average_adapter(name, **options)
    if options.get("combine_strategy") == "lora_delta_w_svd":
        keep_alpha(model, name, model.adapters_config[options["adapter_list"][0]].alpha)
    model.set_active_adapters(case.setup)
    compare(case, model)


@each_case("merge")
def test_merged_weights(case: Case) -> None:
    """They give what the adapter gives, and are gone when something else is activated: that is what was recorded."""
    model = loaded(case)
    (name,) = model.adapters_config
    model.set_active_adapters(name)
    inputs = case.recording.inputs(case.runs[0])
    with torch.no_grad():
        expected = model(**inputs).last_hidden_state
        model.merge_adapter(name)
        torch.testing.assert_close(model(**inputs).last_hidden_state, expected, **case.tolerance)
    model.set_active_adapters(case.setup)
    compare(case, model)
