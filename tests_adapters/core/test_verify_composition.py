"""Which results of a batch belong to its examples, each to one? Upstream's model itself tells."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor, nn

from adaptergen.verify.checks.composition import kept_apart


class SpeakingModel(nn.Module):
    """What it says of a sentence is as long as its weight tells."""

    def __init__(self) -> None:
        super().__init__()
        self.pace = nn.Parameter(torch.tensor(1.0))

    def forward(self, states: Tensor, shared: Tensor) -> dict[str, Tensor]:
        spoken = states.repeat(1, 2) if self.pace > 0 else states
        return {
            "states": states + shared,
            "spoken": spoken,
            "mean": states.mean(0),
            "similarity": 1e-6 * states @ states.T,
        }


def test_results_of_examples_follow_them() -> None:
    """Similarities of all to all are so small that an exchange does not tell; a repeated batch does."""
    inputs = {"states": torch.randn(2, 3), "shared": torch.ones(1, 3)}
    model = SpeakingModel()

    kept = kept_apart(SimpleNamespace(upstream=SpeakingModel), inputs)

    assert kept(model(**inputs)).keys() == {"states"}
