"""What does an attention mask look like when a prefix stands in front of the keys?

Every query may see every position of the prefix, but for those that only fill up the prefix of an example to the
length of the longest in the batch (`visible`). What else it may see does not change:

    mask           with a prefix of P positions
    ------------   ------------------------------------------------------------------------------------
    boolean        P columns of True on the left (True: may attend)
    float          P columns of 0.0 on the left (added to the scores)
    2-D            P columns of ones on the left (a padding mask, as flash attention takes it)
    BlockMask      rebuilt from its rule, shifted by P
    None           None, unless the kernel itself would hide the future: SDPA with a causal module and more
                   than one query. Its triangle would start at the prefix; the mask is made explicit instead.
                   The same where a part of the prefix is not visible
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, noop_mask
from transformers.utils.generic import is_flash_attention_requested

from generated.core.errors import UnsupportedMethodError


AttentionMask = Tensor | BlockMask | None

KERNELS_WITHOUT_OWN_MASK = ("eager", "flex_attention")


@dataclass(frozen=True)
class PrefixColumns:
    """
    The positions in front of the keys.

    Args:
        length: how many there are.
        visible: (batch, length), False where a position only fills up; `None` if all are visible.
    """

    length: int
    visible: Tensor | None = None


def extend_attention_mask(
    mask: AttentionMask, prefix: PrefixColumns, query: Tensor, key: Tensor, implementation: str, is_causal: bool
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
        return _extend_block_mask(mask, prefix)
    if mask is not None:
        return extend_left(mask, prefix)
    hides_future = is_causal and query.shape[-2] > 1 and not _leaves_masking_to_caller(implementation)
    if hides_future and implementation != "sdpa":
        raise UnsupportedMethodError(
            f"prefix tuning does not know how attention implementation {implementation!r} masks the future; "
            "use eager, sdpa, flex_attention or flash attention, or pass a 4-D attention mask"
        )
    if prefix.visible is None:
        return _causal_mask(query, key, prefix.length) if hides_future else None
    if is_flash_attention_requested(requested_attention_implementation=implementation):
        return extend_left(key.new_ones(key.shape[0], key.shape[-2], dtype=torch.int64), prefix)
    if implementation == "flex_attention":
        return _visible_block_mask(query, key, prefix)
    mask = _causal_mask(query, key, 0) if hides_future else key.new_ones(1, 1, 1, key.shape[-2], dtype=torch.bool)
    mask = extend_left(mask.expand(key.shape[0], 1, query.shape[-2], -1), prefix)
    if implementation == "sdpa":
        return mask
    return torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, torch.finfo(query.dtype).min)


def extend_left(mask: Tensor, prefix: PrefixColumns) -> Tensor:
    """Add columns that mean "may attend" on the left of a tensor mask, or "may not" where they only fill up."""
    if prefix.length == 0:
        return mask
    is_added = mask.is_floating_point() and mask.dim() > 2
    if prefix.visible is None:
        columns = mask.new_full((*mask.shape[:-1], prefix.length), 0 if is_added else 1)
        return torch.cat([columns, mask], dim=-1)
    batch = prefix.visible.shape[0]
    visible = prefix.visible.view(batch, *(1,) * (mask.dim() - 2), -1)
    mask = mask.expand(batch, *mask.shape[1:])
    visible = visible.expand(*mask.shape[:-1], -1)
    columns = mask.new_zeros(visible.shape)
    if is_added:
        columns = columns.masked_fill(~visible, torch.finfo(mask.dtype).min)
    else:
        columns = columns.masked_fill(visible, 1)
    return torch.cat([columns, mask], dim=-1)


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
    shape = (1, 1, query.shape[-2], prefix_length + key.shape[-2])
    return query.new_ones(shape, dtype=torch.bool).tril(prefix_length)


def _extend_block_mask(mask: BlockMask, prefix: PrefixColumns) -> BlockMask:
    rule = mask.mask_mod
    query_length, key_length = mask.seq_lengths
    batch_size, heads = mask.kv_num_blocks.shape[:2]
    return create_block_mask(
        _rule_after(prefix, rule),
        B=batch_size if prefix.visible is None else prefix.visible.shape[0],
        H=heads,
        Q_LEN=query_length,
        KV_LEN=key_length + prefix.length,
        device=mask.kv_num_blocks.device,
        BLOCK_SIZE=mask.BLOCK_SIZE,
    )


def _visible_block_mask(query: Tensor, key: Tensor, prefix: PrefixColumns) -> BlockMask:
    return create_block_mask(
        _rule_after(prefix, noop_mask),
        B=key.shape[0],
        H=None,
        Q_LEN=query.shape[-2],
        KV_LEN=key.shape[-2] + prefix.length,
        device=key.device,
    )


def _rule_after(prefix: PrefixColumns, rule: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The rule for keys that a prefix stands in front of."""
    length, visible = prefix.length, prefix.visible

    def rule_after_prefix(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        is_prefix = key < length
        if visible is not None:
            is_prefix = is_prefix & visible[batch, key.clamp(max=length - 1)]
        return is_prefix | ((key >= length) & rule(batch, head, query, (key - length).clamp(min=0)))

    return rule_after_prefix
