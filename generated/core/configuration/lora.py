"""LoRA and (IA)³: which projections are adapted, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from generated.core.configuration.base import AdapterConfig, refuse_if, register_architecture, register_identifiers


ATTENTION_ROLES = ("q", "k", "v", "o")
FEED_FORWARD_ROLES = ("gate", "up", "down")
OWN_OPTIONS = ("mlp_matrices", "rank_pattern", "alpha_pattern")


@dataclass(eq=False)
class LoRAConfig(AdapterConfig):
    """
    Low-rank adaptation of linear maps (Hu et al., 2022, https://arxiv.org/abs/2106.09685): W x + (alpha / r) B A x.

    Args:
        selfattn_lora: adapt the projections of attention (of cross-attention, too) that `attn_matrices` names.
        intermediate_lora: adapt the up-projection of the feed-forward block.
        output_lora: adapt its down-projection.
        leave_out: numbers of layers that are not adapted.
        r: rank.
        alpha: numerator of the scaling.
        dropout: dropout on the input of A.
        attn_matrices: any of "q", "k", "v", "o".
        composition_mode: "add" (LoRA), or "scale" to multiply the output by a vector ((IA)³; needs r = 1).
        init_weights: "lora" (B starts as zero), "bert" (normal, std 0.02) or "ia3" (ones).
        init_weights_seed: draw every module from this seed.
        use_gating: a learned gate, one value per example, takes the place of the scaling (UniPELT).
        use_dora, vera_d, vera_b: settings of DoRA and VeRA, kept for files that hold them.
        dtype: name of the torch type of the new weights, e.g. "float32"; by default that of the adapted projection.
        mlp_matrices: any of "gate", "up", "down"; if given, it decides about the feed-forward block instead of
            `intermediate_lora` and `output_lora`.
        rank_pattern, alpha_pattern: other values of `r` and `alpha` for some projections, by module path in the base
            model or the end of it, e.g. {"attention.self.query": 16}. The longest that fits counts.
    """

    architecture: str | None = "lora"

    selfattn_lora: bool = True
    intermediate_lora: bool = False
    output_lora: bool = False
    leave_out: list[int] = field(default_factory=list)

    r: int = 8
    alpha: int = 8
    dropout: float = 0.0
    attn_matrices: list[str] = field(default_factory=lambda: ["q", "v"])
    composition_mode: str = "add"
    init_weights: str = "lora"
    init_weights_seed: int | None = None
    use_gating: bool = False
    use_dora: bool = False
    vera_d: float | None = None
    vera_b: float | None = None
    dtype: str | None = None
    mlp_matrices: list[str] | None = None
    rank_pattern: dict[str, int] | None = None
    alpha_pattern: dict[str, float] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for rank in (self.r, *(self.rank_pattern or {}).values()):
            refuse_if(rank < 1, f"r is {rank}, must be at least 1")
        for name, known in (("attn_matrices", ATTENTION_ROLES), ("mlp_matrices", FEED_FORWARD_ROLES)):
            unknown = set(getattr(self, name) or ()) - set(known)
            refuse_if(bool(unknown), f"{name} has {', '.join(sorted(unknown))}; known: {', '.join(known)}")
        refuse_if(
            self.dtype is not None and not isinstance(getattr(torch, str(self.dtype), None), torch.dtype),
            f"dtype is {self.dtype!r}, must be the name of a torch type, e.g. 'float32'",
        )

    @property
    def roles(self) -> frozenset[str]:
        """The roles of the projections to adapt."""
        attention = self.attn_matrices if self.selfattn_lora else ()
        return frozenset(attention) | frozenset(self._feed_forward_roles())

    def at(self, path: str) -> LoRAConfig:
        """The configuration of the projection at `path`, from the base model."""
        rank, alpha = _fitting(self.rank_pattern, path, self.r), _fitting(self.alpha_pattern, path, self.alpha)
        return self.replace(r=rank, alpha=alpha)

    def to_dict(self) -> dict[str, Any]:
        """As the base class. What other libraries do not know is there only if it is used."""
        data = super().to_dict()
        return {key: value for key, value in data.items() if key not in OWN_OPTIONS or value is not None}

    def _feed_forward_roles(self) -> tuple[str, ...]:
        if self.mlp_matrices is not None:
            return tuple(self.mlp_matrices)
        return ("up",) * self.intermediate_lora + ("down",) * self.output_lora


@dataclass(eq=False)
class IA3Config(LoRAConfig):
    """(IA)³: a learned vector scales the output of a projection (Liu et al., 2022, https://arxiv.org/abs/2205.05638)."""

    selfattn_lora: bool = True
    intermediate_lora: bool = True
    output_lora: bool = False
    leave_out: list[int] = field(default_factory=list)

    r: int = 1
    alpha: int = 1
    dropout: float = 0.0
    attn_matrices: list[str] = field(default_factory=lambda: ["k", "v"])
    composition_mode: str = "scale"
    init_weights: str = "ia3"
    use_gating: bool = False
    dtype: str | None = None


def _fitting(pattern: Mapping[str, Any] | None, path: str, usual: Any) -> Any:
    ends = [end for end in pattern or () if f".{path}".endswith(f".{end}")]
    return pattern[max(ends, key=len)] if ends else usual


register_architecture("lora", LoRAConfig)
register_identifiers({"lora": LoRAConfig, "ia3": IA3Config})
