"""What does an attention mask look like when a prefix stands in front of the keys?

Every query may see every position of the prefix. What else it may see does not change:

    mask           with a prefix of P positions
    ------------   ------------------------------------------------------------------------------------
    boolean        P columns of True on the left (True: may attend)
    float          P columns of 0.0 on the left (added to the scores)
    2-D            P columns of ones on the left (a padding mask, as flash attention takes it)
    BlockMask      rebuilt from its rule, shifted by P
    None           None, unless the kernel itself would hide the future: SDPA with a causal module and more
                   than one query. Its triangle would start at the prefix; the mask is made explicit instead
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from transformers.utils.generic import is_flash_attention_requested

from generated.core.errors import UnsupportedMethodError


AttentionMask = Tensor | BlockMask | None

KERNELS_WITHOUT_OWN_MASK = ("eager", "flex_attention")


def extend_attention_mask(
    mask: AttentionMask, prefix_length: int, query: Tensor, key: Tensor, implementation: str, is_causal: bool
) -> AttentionMask:
    """
    The mask for keys with a prefix.

    Args:
        mask: the mask for the keys without prefix.
        query: (batch, heads, query length, head_dim).
        key: (batch, heads, key length, head_dim), without prefix.
        implementation: name of the attention kernel, as in `config._attn_implementation`.
        is_causal: whether that kernel would hide the future if it is given no mask.

    Raises:
        UnsupportedMethodError: without a mask, this kernel may or may not hide the future.
    """
    if isinstance(mask, BlockMask):
        return _extend_block_mask(mask, prefix_length)
    if mask is not None:
        return extend_left(mask, prefix_length)
    if not is_causal or query.shape[-2] == 1 or _leaves_masking_to_caller(implementation):
        return None
    if implementation != "sdpa":
        raise UnsupportedMethodError(
            f"prefix tuning does not know how attention implementation {implementation!r} masks the future; "
            "use eager, sdpa, flex_attention or flash attention, or pass a 4-D attention mask"
        )
    return _causal_mask(query, key, prefix_length)


def extend_left(mask: Tensor, length: int) -> Tensor:
    """Add `length` columns that mean "may attend" on the left of a tensor mask."""
    if length == 0:
        return mask
    attend = 0 if mask.is_floating_point() and mask.dim() > 2 else 1
    return torch.cat([mask.new_full((*mask.shape[:-1], length), attend), mask], dim=-1)


def _leaves_masking_to_caller(implementation: str) -> bool:
    """Flash kernels are causal, too, but align the triangle with the last key, so that a prefix stays visible."""
    return implementation in KERNELS_WITHOUT_OWN_MASK or is_flash_attention_requested(
        requested_attention_implementation=implementation
    )


def _causal_mask(query: Tensor, key: Tensor, prefix_length: int) -> Tensor:
    """(1, 1, queries, prefix + keys), True where a query may attend.

    With more keys than queries the keys are a static cache that is being filled from its start, so the triangle
    begins at the first key.
    """
    queries = torch.arange(query.shape[-2], device=query.device)[:, None]
    keys = torch.arange(-prefix_length, key.shape[-2], device=query.device)[None, :]
    return (keys <= queries)[None, None]


def _extend_block_mask(mask: BlockMask, length: int) -> BlockMask:
    rule = mask.mask_mod

    def rule_after_prefix(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key < length) | rule(batch, head, query, (key - length).clamp(min=0))

    query_length, key_length = mask.seq_lengths
    batch_size, heads = mask.kv_num_blocks.shape[:2]
    return create_block_mask(
        rule_after_prefix,
        B=batch_size,
        H=heads,
        Q_LEN=query_length,
        KV_LEN=key_length + length,
        device=mask.kv_num_blocks.device,
        BLOCK_SIZE=mask.BLOCK_SIZE,
    )
