"""Where do the recorded numbers follow from a peculiarity of the recording library that we do not share?

Relative positions under a prefix, in T5. The library computes the bias for keys that include the prefix, as if the P
positions of the prefix were the first P tokens: every key seems P positions further right than it is. Where the first
layer has no prefix, it drops the bias in all later layers. Here the prefix has bias 0 and tokens keep their positions.

To compare everything else, tests let our T5 compute the bias the library's way.
"""

from __future__ import annotations

from torch import Tensor, nn
from transformers.models.t5.modeling_t5 import T5Attention, T5Block

from generated.core.layers import PrefixTuningShim


def shift_relative_positions(model: nn.Module) -> None:
    """Let every T5 stack in `model` treat active prefixes as its first tokens. Other models are left alone."""
    for stack in (module for module in model.modules() if _is_t5_stack(module)):
        attentions = [block.layer[0].SelfAttention for block in stack.block]
        for attention in attentions:
            if hasattr(attention, "prefix_tuning"):
                attention.prefix_tuning.extend_bias = ShiftedBias(attention.prefix_tuning, attentions[0])


class ShiftedBias:
    """Takes the place of `PrefixTuningShim.extend_bias`."""

    def __init__(self, shim: PrefixTuningShim, first: T5Attention) -> None:
        self.shim, self.first = shim, first

    def __call__(self, position_bias: Tensor) -> Tensor:
        if self.shim.length == 0:
            return position_bias
        *_, queries, keys = position_bias.shape
        length = keys + self.shim.length
        first_shim = getattr(self.first, "prefix_tuning", None)
        if first_shim is None or first_shim.length == 0:
            return position_bias.new_zeros(*position_bias.shape[:-1], length)
        return self.first.compute_bias(queries, length, past_seen_tokens=keys - queries)


def _is_t5_stack(module: nn.Module) -> bool:
    blocks = getattr(module, "block", None)
    return isinstance(blocks, nn.ModuleList) and isinstance(blocks[0], T5Block)
