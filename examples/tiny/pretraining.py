"""How does a new model learn what adapters then build on? All of its weights are trained, from random ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast


Batch = Mapping[str, Tensor]


def pretrain(
    model: nn.Module, batch: Callable[[], Mapping[str, Any]], steps: int, learning_rate: float = 2e-3
) -> float:
    """
    Train all weights with AdamW, in one cycle of learning rates.

    Args:
        batch: makes the arguments of the next call, targets included.

    Returns:
        The mean loss of the last tenth of the steps.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.15)
    losses = []
    model.train()
    for _ in range(steps):
        loss = model(**batch()).loss
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
    model.eval()
    last = max(1, steps // 10)
    return torch.stack(losses[-last:]).mean().item()


def masked(tokens: Tensor, tokenizer: PreTrainedTokenizerFast, random: torch.Generator, share: float) -> Batch:
    """
    Hide words as BERT does: of those chosen 80 % behind the mask, 10 % behind another word, and 10 % as they are.

    Args:
        tokens: (batch, length), with padding.

    Returns:
        Arguments of a masked language model, `labels` included: -100 where nothing is asked.
    """
    special = torch.isin(tokens, torch.tensor(tokenizer.all_special_ids))
    chosen = (torch.rand(tokens.shape, generator=random) < share) & ~special
    kind = torch.rand(tokens.shape, generator=random)
    hidden = tokens.masked_fill(chosen & (kind < 0.8), tokenizer.mask_token_id)
    others = torch.randint(len(tokenizer.all_special_ids), len(tokenizer), tokens.shape, generator=random)
    hidden = torch.where(chosen & (kind >= 0.9), others, hidden)
    attention = (tokens != tokenizer.pad_token_id).long()
    return {"input_ids": hidden, "attention_mask": attention, "labels": tokens.masked_fill(~chosen, -100)}
