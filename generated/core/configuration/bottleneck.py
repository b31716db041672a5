"""Bottleneck adapters: every choice in the block, and the published combinations of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from generated.core.configuration.base import AdapterConfig, refuse_if, register_architecture, register_identifiers


@dataclass(eq=False)
class BnConfig(AdapterConfig):
    """
    A bottleneck adapter: down-projection, non-linearity, up-projection, inside a residual connection.

    Args:
        mh_adapter: adapters after self-attention.
        output_adapter: adapters after the feed-forward block.
        reduction_factor: hidden size over bottleneck width; or a mapping from layer number (as a string) to it, with
            the key "default" for all other layers. Below 1 the block is wider than the model.
        non_linearity: name of an activation function of transformers, or "leakyrelu".
        original_ln_before: apply the model's own residual and norm before the adapter (sequential only).
        original_ln_after: apply them after the adapter.
        ln_before: a new norm at the start of the block.
        ln_after: a new norm at its end.
        init_weights: "bert" (normal, std 0.02), "mam_adapter" (the block starts as zero; He et al., 2022) or
            "houlsby" (truncated normal, std 0.01).
        init_weights_seed: draw every adapter module from this seed, so that all of them start equal.
        is_parallel: read the input of the sub-layer instead of its output, and add to the latter (He et al., 2022).
        scaling: factor of the block's output: a number, "learned" (one scalar) or "channel" (one per channel).
        use_gating: weigh the block by a learned gate, one value per example (UniPELT, Mao et al., 2022). It is a mean
            over the positions of a call, so a decoding step with a key-value cache sees only its own position.
        residual_before_ln: where the residual around the block starts, if `original_ln_before`: True is before the
            model's residual addition, "post_add" after it, False after the norm.
        adapter_residual_before_ln: end the residual around the block before `ln_after` (sequential only).
        inv_adapter: an invertible adapter at the embeddings: "nice" or "glow" (MAD-X, Pfeiffer et al., 2020).
        inv_adapter_reduction_factor: its width relative to half the embedding size.
        cross_adapter: adapters after cross-attention.
        leave_out: numbers of layers without adapter.
        dropout: dropout on the block's output.
        phm_layer: parametrised hypercomplex projections instead of dense ones (Compacter, Mahabadi et al., 2021).
        phm_dim: number of Kronecker terms n; hidden size and bottleneck width must be multiples of it.
        factorized_phm_W: store the n weight matrices as products of rank `phm_rank`.
        shared_W_phm: one set of weight matrices for the whole model.
        shared_phm_rule: one set of n×n matrices for the whole model.
        factorized_phm_rule: store the n×n matrices as products of rank 1.
        phm_c_init: how the n×n matrices start: "normal" or "uniform".
        phm_init_range: standard deviation for "normal".
        learn_phm: train the n×n matrices.
        hypercomplex_nonlinearity: how the weight matrices start: "glorot-uniform", "glorot-normal" or "normal".
        phm_rank: rank of factorised weight matrices.
        phm_bias: give these projections a bias.
        stochastic_depth: probability of leaving the block out for an example in training (AdapterPlus).
    """

    mh_adapter: bool
    output_adapter: bool

    reduction_factor: float | Mapping[str, float]
    non_linearity: str

    original_ln_before: bool = False
    original_ln_after: bool = True
    ln_before: bool = False
    ln_after: bool = False
    init_weights: str = "bert"
    init_weights_seed: int | None = None
    is_parallel: bool = False
    scaling: float | str = 1.0
    use_gating: bool = False
    residual_before_ln: bool | str = True
    adapter_residual_before_ln: bool = False
    inv_adapter: str | None = None
    inv_adapter_reduction_factor: float | None = None
    cross_adapter: bool = False
    leave_out: list[int] = field(default_factory=list)
    dropout: float = 0.0
    phm_layer: bool = False
    phm_dim: int = 4
    factorized_phm_W: bool | None = True
    shared_W_phm: bool | None = False
    shared_phm_rule: bool | None = True
    factorized_phm_rule: bool | None = False
    phm_c_init: str | None = "normal"
    phm_init_range: float | None = 0.0001
    learn_phm: bool | None = True
    hypercomplex_nonlinearity: str | None = "glorot-uniform"
    phm_rank: int | None = 1
    phm_bias: bool | None = True
    stochastic_depth: float | None = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.reduction_factor, Mapping):  # in JSON, keys are strings
            self.__dict__["reduction_factor"] = {str(layer): factor for layer, factor in self.reduction_factor.items()}
        factor = self.reduction_factor
        factors = factor.values() if isinstance(factor, Mapping) else [factor]
        is_positive = all(isinstance(number, int | float) and number > 0 for number in factors)
        refuse_if(not is_positive, f"reduction_factor is {factor}, must be positive")
        refuse_if(
            self.residual_before_ln not in (True, False, "post_add"),
            f"residual_before_ln is {self.residual_before_ln!r}, must be True, False or 'post_add'",
        )
        refuse_if(
            bool(self.inv_adapter) and not self.inv_adapter_reduction_factor,
            f"inv_adapter={self.inv_adapter!r} needs an inv_adapter_reduction_factor, e.g. 2",
        )

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> BnConfig:
        """As the base class; also reads the nested `invertible_adapter` of the first generation of files."""
        nested = config.get("invertible_adapter") or {}
        config = {key: value for key, value in config.items() if key != "invertible_adapter"}
        if nested:
            config["inv_adapter"] = nested["block_type"]
            config["inv_adapter_reduction_factor"] = nested["reduction_factor"]
        return super().from_dict(config)


@dataclass(eq=False)
class SeqBnConfig(BnConfig):
    """One adapter per layer, after the feed-forward block (Pfeiffer et al., 2020, https://arxiv.org/abs/2005.00247)."""

    original_ln_before: bool = True
    original_ln_after: bool = True
    residual_before_ln: bool | str = True
    adapter_residual_before_ln: bool = False
    ln_before: bool = False
    ln_after: bool = False
    mh_adapter: bool = False
    output_adapter: bool = True
    non_linearity: str = "relu"
    reduction_factor: float | Mapping[str, float] = 16


@dataclass(eq=False)
class SeqBnInvConfig(SeqBnConfig):
    """`SeqBnConfig` with an invertible adapter: a MAD-X language adapter (https://arxiv.org/abs/2005.00052)."""

    inv_adapter: str | None = "nice"
    inv_adapter_reduction_factor: float | None = 2


@dataclass(eq=False)
class DoubleSeqBnConfig(BnConfig):
    """Adapters after attention and feed-forward (Houlsby et al., 2019, https://arxiv.org/abs/1902.00751)."""

    original_ln_before: bool = False
    original_ln_after: bool = True
    residual_before_ln: bool | str = True
    adapter_residual_before_ln: bool = False
    ln_before: bool = False
    ln_after: bool = False
    mh_adapter: bool = True
    output_adapter: bool = True
    non_linearity: str = "swish"
    reduction_factor: float | Mapping[str, float] = 16


@dataclass(eq=False)
class DoubleSeqBnInvConfig(DoubleSeqBnConfig):
    """`DoubleSeqBnConfig` with an invertible adapter."""

    inv_adapter: str | None = "nice"
    inv_adapter_reduction_factor: float | None = 2


@dataclass(eq=False)
class ParBnConfig(BnConfig):
    """An adapter parallel to the feed-forward block (He et al., 2022, https://arxiv.org/abs/2110.04366)."""

    original_ln_before: bool = False
    original_ln_after: bool = True
    ln_before: bool = False
    ln_after: bool = False
    mh_adapter: bool = False
    output_adapter: bool = True
    non_linearity: str = "relu"
    reduction_factor: float | Mapping[str, float] = 2

    init_weights: str = "mam_adapter"
    is_parallel: bool = True
    scaling: float | str = 4.0


@dataclass(eq=False)
class CompacterConfig(DoubleSeqBnConfig):
    """Compacter (Mahabadi et al., 2021, https://arxiv.org/abs/2106.04647): both places of `DoubleSeqBnConfig`."""

    phm_layer: bool = True
    reduction_factor: float | Mapping[str, float] = 32
    non_linearity: str = "gelu"


@dataclass(eq=False)
class CompacterPlusPlusConfig(SeqBnConfig):
    """Compacter++ (Mahabadi et al., 2021): only after the feed-forward block."""

    phm_layer: bool = True
    reduction_factor: float | Mapping[str, float] = 32
    non_linearity: str = "gelu"


@dataclass(eq=False)
class AdapterPlusConfig(BnConfig):
    """
    Adapter+ for vision models (Steitz & Roth, 2024, https://arxiv.org/abs/2406.06820).

    The residual of the pretrained model is kept only if `original_ln_before` or `original_ln_after` is set; without
    the latter, `residual_before_ln` must be False.
    """

    original_ln_after: bool = False
    original_ln_before: bool = True
    residual_before_ln: bool | str = False
    stochastic_depth: float | None = 0.1
    init_weights: str = "houlsby"
    scaling: float | str = "channel"

    mh_adapter: bool = False
    output_adapter: bool = True
    reduction_factor: float | Mapping[str, float] = 96
    non_linearity: str = "gelu"


PfeifferConfig = SeqBnConfig
PfeifferInvConfig = SeqBnInvConfig
HoulsbyConfig = DoubleSeqBnConfig
HoulsbyInvConfig = DoubleSeqBnInvConfig
ParallelConfig = ParBnConfig


def scaled_parallel() -> ParBnConfig:
    return ParBnConfig(scaling="learned")


register_architecture(None, BnConfig)
register_identifiers(
    {
        "seq_bn": SeqBnConfig,
        "seq_bn_inv": SeqBnInvConfig,
        "double_seq_bn": DoubleSeqBnConfig,
        "double_seq_bn_inv": DoubleSeqBnInvConfig,
        "par_bn": ParBnConfig,
        "scaled_par_bn": scaled_parallel,
        "compacter": CompacterConfig,
        "compacter++": CompacterPlusPlusConfig,
        "adapter_plus": AdapterPlusConfig,
        "pfeiffer": SeqBnConfig,
        "pfeiffer+inv": SeqBnInvConfig,
        "houlsby": DoubleSeqBnConfig,
        "houlsby+inv": DoubleSeqBnInvConfig,
        "parallel": ParBnConfig,
        "scaled_parallel": scaled_parallel,
    }
)
