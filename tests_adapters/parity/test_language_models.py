"""Scores of language models, and what they generate, with and without key-value cache, on every attention kernel."""

import pytest
import torch

from tests_adapters.parity.collection import each_case, each_case_and_attention
from tests_adapters.parity.recording import Case


@each_case_and_attention("lm")
def test_logits(case: Case, attention: str | None) -> None:
    model = case.build(attention)
    for run in case.runs:
        with torch.no_grad():
            case.compare(run, model(**case.recording.inputs(run)))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("use_cache", [False, True], ids=["uncached", "cached"])
@each_case("generate")
def test_generation(case: Case, use_cache: bool, attention: str) -> None:
    model = case.build(attention)
    (run,) = case.runs
    options = case.data["generate_kwargs"] | {"use_cache": use_cache}
    output = model.generate(**case.recording.inputs(run), **options, return_dict_in_generate=True, output_scores=True)

    tensors = case.recording.tensors
    assert output.sequences.tolist() == tensors[run["outputs"]["sequences"]].tolist()
    scores = torch.stack(output.scores, dim=1).clamp(min=-1e9)
    torch.testing.assert_close(scores, tensors[run["outputs"]["scores"]], **case.tolerance)
