"""ReFT: which positions of which layers are changed, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from generated.core.configuration.base import AdapterConfig, refuse_if, register_architecture, register_identifiers


ALL_LAYERS = "all"


@dataclass(eq=False)
class ReftConfig(AdapterConfig):
    """
    Representation fine-tuning (Wu et al., 2024, https://arxiv.org/abs/2404.03592): the output h of a layer becomes
    h + Rᵀ (f(W h + b) - R h) at the first and the last positions of each sequence.

    Args:
        layers: numbers of the layers that are changed, or "all".
        prefix_positions: how many positions at the start of a sequence.
        suffix_positions: how many at its end. While text is generated, that is the end of what it goes on from.
        r: rank: number of rows of R and W.
        orthogonality: keep the rows of R orthonormal.
        tied_weights: one change for both ends, instead of one each.
        subtract_projection: subtract R h, as LoReFT and NoReFT do. Files of AdapterHub do not say it, and mean yes.
        dropout: dropout on the changed states.
        non_linearity: name of the activation function f; by default none.
        dtype: name of the torch type of the new weights, e.g. "float32"; by default that of the layer.
        init_weights_seed: draw every module from this seed.
        output_reft: change outputs of layers. There is no other place.
        leave_out: numbers of layers that are not changed, whatever `layers` says.
    """

    layers: str | list[int] = ALL_LAYERS
    prefix_positions: int = 3
    suffix_positions: int = 0
    r: int = 1
    orthogonality: bool = True
    tied_weights: bool = False
    subtract_projection: bool = True
    dropout: float = 0.05
    non_linearity: str | None = None
    dtype: str | None = None
    init_weights_seed: int | None = None

    architecture: str | None = "reft"
    output_reft: bool = True
    leave_out: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_if(
            self.layers != ALL_LAYERS and not isinstance(self.layers, list),
            f"layers is {self.layers!r}, must be {ALL_LAYERS!r} or a list of layer numbers",
        )
        refuse_if(self.r < 1, f"r is {self.r}, must be at least 1")
        refuse_if(min(self.prefix_positions, self.suffix_positions) < 0, "there is no negative number of positions")
        refuse_if(
            self.prefix_positions + self.suffix_positions == 0,
            "prefix_positions and suffix_positions are both 0, so nothing would ever be changed",
        )
        refuse_if(
            self.dtype is not None and not isinstance(getattr(torch, str(self.dtype), None), torch.dtype),
            f"dtype is {self.dtype!r}, must be the name of a torch type, e.g. 'float32'",
        )

    def changes(self, layer: int) -> bool:
        """Is the layer of this number changed?"""
        is_chosen = self.layers == ALL_LAYERS or layer in self.layers
        return self.output_reft and is_chosen and layer not in self.leave_out

    def to_dict(self) -> dict[str, Any]:
        """As the base class. What AdapterHub's files do not say is there only if it is used."""
        data = super().to_dict()
        usual = {"subtract_projection": True, "leave_out": []}
        return {key: value for key, value in data.items() if key not in usual or value != usual[key]}


@dataclass(eq=False)
class LoReftConfig(ReftConfig):
    """LoReFT: R has orthonormal rows, so that the change stays within the subspace that they span."""


@dataclass(eq=False)
class NoReftConfig(ReftConfig):
    """NoReFT: R is any matrix."""

    orthogonality: bool = False


@dataclass(eq=False)
class DiReftConfig(ReftConfig):
    """DiReFT: R is any matrix, and its part of the state is not subtracted."""

    orthogonality: bool = False
    subtract_projection: bool = False


register_architecture("reft", ReftConfig)
register_identifiers({"loreft": LoReftConfig, "noreft": NoReftConfig, "direft": DiReftConfig})
