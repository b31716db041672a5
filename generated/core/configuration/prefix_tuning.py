"""Prefix tuning: how long the prefix is, and how it is parametrised."""

from __future__ import annotations

from dataclasses import dataclass, field

from generated.core.configuration.base import AdapterConfig, refuse_if, register_architecture, register_identifiers


@dataclass(eq=False)
class PrefixTuningConfig(AdapterConfig):
    """
    Trained keys and values in front of those of every attention (Li & Liang, 2021, https://arxiv.org/abs/2101.00190).

    Args:
        encoder_prefix: prefixes in the encoder of an encoder-decoder model.
        cross_prefix: prefixes in cross-attention.
        leave_out: numbers of layers without prefix.
        flat: train keys and values themselves, instead of a network that makes them.
        prefix_length: number of positions.
        bottleneck_size: hidden width of that network.
        non_linearity: its activation function.
        dropout: dropout on keys and values.
        use_gating: weigh the prefix by a learned gate, one value per example (UniPELT).
        shared_gating: one gate for keys and values, instead of one each.
        init_weights_seed: draw every prefix from this seed.
    """

    architecture: str | None = "prefix_tuning"

    encoder_prefix: bool = True
    cross_prefix: bool = True
    leave_out: list[int] = field(default_factory=list)

    flat: bool = False
    prefix_length: int = 30
    bottleneck_size: int = 512
    non_linearity: str = "tanh"
    dropout: float = 0.0
    use_gating: bool = False
    shared_gating: bool = True
    init_weights_seed: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_if(self.prefix_length < 1, f"prefix_length is {self.prefix_length}, must be at least 1")


def flat_prefix_tuning() -> PrefixTuningConfig:
    return PrefixTuningConfig(flat=True)


register_architecture("prefix_tuning", PrefixTuningConfig)
register_identifiers({"prefix_tuning": PrefixTuningConfig, "prefix_tuning_flat": flat_prefix_tuning})
