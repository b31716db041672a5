"""LoRA and its relatives: which projections are adapted, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from generated.core.configuration.base import AdapterConfig, refuse_if, register_architecture, register_identifiers


ATTENTION_ROLES = ("q", "k", "v", "o")
FEED_FORWARD_ROLES = ("gate", "up", "down")
OWN_OPTIONS = ("mlp_matrices", "scaled_inputs", "rank_pattern", "alpha_pattern", "dora_as_published", "vera_full")


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
        init_weights: "lora" (B starts as zero), "bert" (normal, std 0.02), "ia3" (ones) or "vera" (A and B uniform).
        init_weights_seed: draw every module from this seed.
        use_gating: a learned gate, one value per example, takes the place of the scaling (UniPELT).
        use_dora: learn the length of each row of the weight by itself, see `DoRAConfig`.
        vera_d, vera_b: first values of what VeRA learns, see `VeraConfig`. Both, or none for plain LoRA.
        dtype: name of the torch type of the new weights, e.g. "float32"; by default that of the adapted projection.
        mlp_matrices: any of "gate", "up", "down"; if given, it decides about the feed-forward block instead of
            `intermediate_lora` and `output_lora`.
        rank_pattern, alpha_pattern: other values of `r` and `alpha` for some projections, by module path in the base
            model or the end of it, e.g. {"attention.self.query": 16}. The longest that fits counts.
        scaled_inputs: with composition_mode "scale", the roles of projections whose input is multiplied instead of the
            output; for "down" that is behind the activation, as in PEFT.
        dora_as_published: DoRA as in the paper: s is a part of the norm, and the bias is added at the end.
        vera_full: VeRA learns whole matrices, as AdapterHub does, and not only their diagonals, as in the paper.
    """

    architecture: str | None = "lora"

    selfattn_lora: bool = True
    intermediate_lora: bool = False
    output_lora: bool = False
    leave_out: list[int] = field(default_factory=list)

    r: int = 8
    alpha: float = 8
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
    scaled_inputs: list[str] | None = None
    dora_as_published: bool | None = None
    vera_full: bool | None = None

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
        refuse_if(self.is_vera and bool(self.rank_pattern), "VeRA has one rank, that of its shared matrices")
        refuse_if((self.vera_d is None) != (self.vera_b is None), "VeRA needs both vera_d and vera_b; give both")
        unknown = set(self.scaled_inputs or ()) - {*ATTENTION_ROLES, *FEED_FORWARD_ROLES}
        refuse_if(bool(unknown), f"scaled_inputs has {', '.join(sorted(unknown))}")
        refuse_if(bool(self.scaled_inputs) and self.composition_mode != "scale", "scaled_inputs is for (IA)³")
        if self.composition_mode == "scale":
            refuse_if(self.use_dora or self.is_vera, "composition_mode 'scale' knows neither DoRA nor VeRA; use 'add'")

    @property
    def is_vera(self) -> bool:
        return self.vera_d is not None

    @property
    def roles(self) -> frozenset[str]:
        """The roles of the projections to adapt."""
        attention = self.attn_matrices if self.selfattn_lora else ()
        return frozenset(attention) | frozenset(self._feed_forward_roles())

    def at(self, path: str) -> LoRAConfig:
        """The configuration of the projection at `path`, from the base model."""
        if not self.rank_pattern and not self.alpha_pattern:
            return self
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
    alpha: float = 1
    dropout: float = 0.0
    attn_matrices: list[str] = field(default_factory=lambda: ["k", "v"])
    composition_mode: str = "scale"
    init_weights: str = "ia3"
    use_gating: bool = False
    dtype: str | None = None


@dataclass(eq=False)
class DoRAConfig(LoRAConfig):
    """
    LoRA for the directions of the rows of a weight, whose lengths m are learned by themselves (Liu et al., 2024,
    https://arxiv.org/abs/2402.09353): m ∘ (W x + b + s B A x) / ‖W + B A‖, with the norm of each row.

    As in AdapterHub, the bias b is scaled with the rest, and the scaling s is not part of the norm. With
    `dora_as_published` it is b + m ∘ (W x + s B A x) / ‖W + s B A‖, the formula of the paper and of PEFT; gradients do
    not flow through the norm.
    """

    use_dora: bool = True


@dataclass(eq=False)
class VeraConfig(LoRAConfig):
    """
    Random A and B, drawn once for all projections and never trained; vectors d and b are learned for each of them
    (Kopiczko et al., 2024, https://arxiv.org/abs/2310.11454): W x + (alpha / r) b ∘ B (d ∘ A x).

    A projection that is narrower than others uses the first columns of A and the first rows of B.
    """

    vera_d: float | None = 0.1
    vera_b: float | None = 0.0
    init_weights: str = "vera"


@dataclass(eq=False)
class DvoRAConfig(VeraConfig):
    """DoRA with the low-rank change of VeRA."""

    use_dora: bool = True


@dataclass(eq=False)
class MTLLoRAConfig(LoRAConfig):
    """
    LoRA for several tasks, each an adapter of its own (Yang et al., 2025, https://arxiv.org/abs/2410.09437):

        W x + (alpha / r) Σᵢ softmax(w / τ)ᵢ Bᵢ Λ A x

    Λ and w belong to the task; `model.share_parameters` lets tasks have A and all Bᵢ in common, and the composition
    `MultiTask` sends each example to its task.

    Args:
        n_up_projection: number of matrices Bᵢ.
        task_specific_matrix_type: "singular_values" (Λ is diagonal) or "linear".
        weights_sharpness: τ.
    """

    architecture: str | None = "mtl_lora"

    n_up_projection: int = 1
    task_specific_matrix_type: str = "singular_values"
    weights_sharpness: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        known = ("singular_values", "linear")
        given = self.task_specific_matrix_type
        refuse_if(given not in known, f"task_specific_matrix_type is {given!r}; known: {', '.join(known)}")
        refuse_if(self.n_up_projection < 1, f"n_up_projection is {self.n_up_projection}, must be at least 1")
        refuse_if(self.weights_sharpness <= 0, f"weights_sharpness is {self.weights_sharpness}, must be above 0")
        refuse_if(self.is_vera or self.composition_mode != "add", "MTL-LoRA is neither VeRA nor (IA)³")


def _fitting(pattern: Mapping[str, Any] | None, path: str, usual: Any) -> Any:
    ends = [end for end in pattern or () if f".{path}".endswith(f".{end}")]
    return pattern[max(ends, key=len)] if ends else usual


register_architecture("lora", LoRAConfig)
register_architecture("mtl_lora", MTLLoRAConfig)
register_identifiers(
    {
        "lora": LoRAConfig,
        "ia3": IA3Config,
        "dora": DoRAConfig,
        "vera": VeraConfig,
        "dvora": DvoRAConfig,
        "mtl_lora": MTLLoRAConfig,
    }
)
