"""Every kind of attention mask, extended for a prefix."""

import pytest
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

from generated.core.errors import UnsupportedMethodError
from generated.core.layers.attention_mask import PrefixColumns, extend_attention_mask, extend_left


P = 2


def states(queries: int, keys: int) -> tuple[Tensor, Tensor]:
    return torch.zeros(1, 1, queries, 4), torch.zeros(1, 1, keys, 4)


def extend(mask, queries: int = 3, keys: int = 3, kernel: str = "sdpa", causal: bool = True):
    return extend_attention_mask(mask, PrefixColumns(P), *states(queries, keys), kernel, causal)


def test_boolean_mask_lets_the_prefix_be_seen() -> None:
    mask = torch.tensor([[[[False, True, False]]]])
    assert extend(mask).tolist() == [[[[True, True, False, True, False]]]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_additive_mask_adds_nothing_for_the_prefix(dtype: torch.dtype) -> None:
    low = torch.finfo(dtype).min
    extended = extend(torch.tensor([[[[0.0, low, 0.0]]]], dtype=dtype))
    assert extended.dtype == dtype
    assert extended.tolist() == [[[[0.0, 0.0, 0.0, low, 0.0]]]]


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float32])
def test_padding_mask_counts_the_prefix_as_tokens(dtype: torch.dtype) -> None:
    extended = extend(torch.tensor([[1, 1, 0]], dtype=dtype), kernel="flash_attention_2")
    assert extended.dtype == dtype
    assert extended.tolist() == [[1, 1, 1, 1, 0]]


def test_missing_mask_is_made_explicit_where_the_kernel_is_causal() -> None:
    expected = [[True, True, True, False, False], [True, True, True, True, False], [True] * 5]
    assert extend(None).tolist() == [[expected]]


def test_missing_mask_for_a_static_cache_that_is_being_filled() -> None:
    """More keys than queries: those after the last query are not written yet."""
    assert extend(None, queries=2, keys=4).tolist() == [
        [[[True, True, True, False, False, False], [True, True, True, True, False, False]]]
    ]


@pytest.mark.parametrize(
    ("kernel", "causal", "queries"),
    [
        ("sdpa", False, 3),
        ("sdpa", True, 1),
        ("eager", True, 3),
        ("flex_attention", True, 3),
        ("flash_attention_2", True, 3),
        ("flash_attention_3", True, 3),
        ("kernels-community/flash-attn", True, 3),
        ("some_kernel", False, 3),
    ],
)
def test_missing_mask_stays_missing(kernel: str, causal: bool, queries: int) -> None:
    assert extend(None, queries=queries, kernel=kernel, causal=causal) is None


def test_unknown_kernel_is_refused() -> None:
    with pytest.raises(UnsupportedMethodError, match="'some_kernel' masks the future"):
        extend(None, kernel="some_kernel")
    assert extend(torch.ones(1, 1, 3, 3, dtype=torch.bool), kernel="some_kernel").shape[-1] == 3 + P


def test_block_mask_is_rebuilt() -> None:
    visible = torch.ones(2, 5, dtype=torch.bool)
    visible[1, :2] = False

    def rule(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key <= query) & visible[batch, key]

    extended = extend(create_block_mask(rule, 2, None, 5, 5, device="cpu"), 5, 5, "flex_attention")
    dense = create_dense(extended, batch=2, queries=5, keys=5 + P)
    causal = torch.ones(5, 5, dtype=torch.bool).tril()
    assert torch.equal(dense[..., P:], causal & visible[:, None, :])
    assert dense[..., :P].all()
    assert extended.seq_lengths == (5, 5 + P)


def create_dense(mask: BlockMask, batch: int, queries: int, keys: int) -> Tensor:
    """The rule of a block mask, written out."""
    indices = torch.meshgrid(torch.arange(batch), torch.arange(queries), torch.arange(keys), indexing="ij")
    return mask.mask_mod(indices[0], torch.tensor(0), indices[1], indices[2])


def test_nothing_to_extend() -> None:
    mask = torch.ones(1, 1, 3, 3)
    assert extend_left(mask, PrefixColumns(0)) is mask
