"""What did gates and mixtures of adapters decide in a call? Collected when the caller asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from torch import Tensor
from transformers.utils import ModelOutput

from generated.core.layers.slot import Place


Scores = dict[str, dict[int, dict[str, Tensor]]]


class AdapterRecords:
    """
    Scores by name of the adapter (or of the fusion), number of the layer and location.

    Args:
        wanted: the arguments `output_adapter_gating_scores` and `output_adapter_fusion_attentions` of the call.
    """

    def __init__(self, wanted: Mapping[str, Any]) -> None:
        self.gating: Scores | None = {} if wanted.get("output_adapter_gating_scores") else None
        self.fusion: Scores | None = {} if wanted.get("output_adapter_fusion_attentions") else None

    def add_gate(self, name: str, place: Place, scores: Tensor) -> None:
        """(batch, 1, gates) of one adapter at one place."""
        _add(self.gating, name, place, scores.squeeze(1).squeeze(-1))

    def add_fusion(self, name: str, place: Place, attention: Tensor) -> None:
        """(batch, length, adapters) of one fusion at one place."""
        _add(self.fusion, name, place, attention)

    def appended_to(self, output: Any) -> Any:
        """The output of the model with the scores: as `adapter_gating_scores` and `adapter_fusion_attentions`."""
        found = {"adapter_gating_scores": self.gating, "adapter_fusion_attentions": self.fusion}
        found = {name: scores for name, scores in found.items() if scores is not None}
        if isinstance(output, tuple):
            return (*output, *found.values())
        for name, scores in found.items() if isinstance(output, ModelOutput) else ():
            output[name] = scores
        return output


def _add(scores: Scores | None, name: str, place: Place, values: Tensor) -> None:
    """Where several modules share a location, as the projections of an attention do, the later ones are numbered."""
    if scores is None:
        return
    at_layer = scores.setdefault(name, {}).setdefault(place.layer, {})
    names = (place.location if number == 1 else f"{place.location}_{number}" for number in count(1))
    at_layer[next(location for location in names if location not in at_layer)] = values.detach()
