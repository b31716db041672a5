"""Hidden states of base models: without adapter, with one, with a Stack."""

import torch

from tests_adapters.parity.collection import ARCHITECTURES, each_case, each_case_and_attention, find_recording
from tests_adapters.parity.recording import Case


@each_case_and_attention("base", "single", "composition")
def test_hidden_states(case: Case, attention: str | None) -> None:
    model = case.build(attention)
    for run in case.runs:
        with torch.no_grad():
            case.compare(run, model(**case.recording.inputs(run)))


@each_case("single", "composition")
def test_recorded_effect_exceeds_the_tolerance(case: Case) -> None:
    """A recording that an inert adapter would pass proves nothing."""
    assert case.data["effect"] > 10 * case.data["atol"]


def test_every_kind_is_collected() -> None:
    for recording in filter(None, map(find_recording, ARCHITECTURES)):
        assert {case.kind for case in recording.cases() if case.is_compared} >= {"base", "single"}
