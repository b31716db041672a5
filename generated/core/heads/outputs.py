"""What does a head return, given what the base model returned?

Each head names the `ModelOutput` class of its task. Everything the base model computed on the way (hidden states,
attentions, cache) is passed on through the fields of the same name.
"""

from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache
from transformers.utils import ModelOutput


def is_sequence_to_sequence(outputs: ModelOutput) -> bool:
    """Whether an encoder-decoder produced `outputs`."""
    return "encoder_last_hidden_state" in outputs


def head_output(output_class: type[ModelOutput], outputs: ModelOutput, **predictions: Any) -> ModelOutput:
    """An `output_class` with the head's `predictions` and the base model's other results."""
    passed_on = {name: value for name, value in outputs.items() if name in output_class.__dataclass_fields__}
    return output_class(**{**passed_on, **predictions})


@dataclass
class MultiHeadOutput(ModelOutput):
    """The outputs of several heads that were active at once, in the order of `active_head`.

    Attributes:
        head_outputs: one output per head; `output[i]` is the i-th.
        loss: the sum of the heads' losses, `None` if one of them has none.
        past_key_values: the cache of the base model.
    """

    head_outputs: list[ModelOutput] | None = None
    loss: torch.Tensor | None = None
    past_key_values: Cache | None = None

    @classmethod
    def of(cls, head_outputs: list[ModelOutput], past_key_values: Cache | None = None) -> "MultiHeadOutput":
        losses = [output.loss for output in head_outputs]
        has_loss = all(loss is not None for loss in losses)
        loss = torch.stack(losses).sum() if has_loss else None
        return cls(head_outputs=head_outputs, loss=loss, past_key_values=past_key_values)

    @property
    def logits(self) -> torch.Tensor:
        """The logits of all heads, one after the other: those for the whole batch, where each head reads a part."""
        return torch.cat([output.logits for output in self.head_outputs])

    def __getitem__(self, key: int | str) -> Any:
        return self.head_outputs[key] if isinstance(key, int) else super().__getitem__(key)

    def __iter__(self) -> Any:
        return iter(self.head_outputs)

    def __len__(self) -> int:
        return len(self.head_outputs)
