"""What is not the same in all releases of transformers that this package runs on?

Generated code is made for one release and knows its own. What the runtime needs of transformers and what not all
supported releases have is here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch


try:
    from transformers.modeling_utils import slice_logits_to_keep
except ImportError:  # 5.16 and earlier

    def slice_logits_to_keep(hidden_states: torch.Tensor, logits_to_keep: int | torch.Tensor) -> torch.Tensor:
        """The states of these positions: of that many last ones (0: all), or of those that a 1-D tensor names."""
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        return hidden_states[:, kept, :]


def used_conversions(steps: Iterable[Any]) -> list[Any]:
    """Those of transformers' conversions that changed something in a checkpoint; in 5.5, which does not tell, all."""
    return [step for step in steps if not hasattr(step, "was_used") or step.was_used()]


def is_custom_code(model: torch.nn.Module, told: bool) -> bool:
    """Does transformers take a model for code of its own? 5.12 and earlier tell of the outermost one."""
    asks = getattr(model, "is_custom_code", None)
    return told if asks is None else asks()


__all__ = ["is_custom_code", "slice_logits_to_keep", "used_conversions"]
