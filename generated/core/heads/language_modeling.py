"""What do the three language modeling heads share?

Optional transforms (linear, activation, norm), then a projection onto the vocabulary. The projection is tied to the
input embeddings where the model ties them, and a language adapter's invertible layers are undone just before it
(Pfeiffer et al. 2020, https://arxiv.org/abs/2005.00052).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.loss.loss_utils import ForCausalLMLoss, ForMaskedLMLoss
from transformers.utils import ModelOutput

from generated.core.config_names import config_value
from generated.core.heads.base import PredictionHead, activations, config_value_or_none
from generated.core.upstream import slice_logits_to_keep


class LanguageModelingHead(PredictionHead):
    """Scores the vocabulary at every position.

    Logits are (batch, length, vocab_size); labels are (batch, length), with -100 where there is nothing to learn.
    """

    def build(self, model: PreTrainedModel) -> None:
        super().build(model)
        shared, own = model.get_input_embeddings().weight, self.get_output_embeddings().weight
        self.is_tied = bool(config_value_or_none(model.config, "tie_word_embeddings")) and shared.shape == own.shape

    def layers(self, config: PreTrainedConfig) -> list[nn.Module]:
        """(Linear, activation, norm) per layer but the last, which is the projection."""
        hidden_size = config_value(config, "hidden_size")
        width = self.config.get("embedding_size", hidden_size)
        modules: list[nn.Module] = []
        for index in range(self.config["layers"] - 1):
            modules += [nn.Linear(width if index else hidden_size, width)]
            modules += activations(self.config["activation_function"])
            if self.config["layer_norm"]:
                modules.append(nn.LayerNorm(width, eps=norm_epsilon(config)))
        return [*modules, nn.Linear(width, self.config["vocab_size"], bias=self.config["bias"])]

    def forward(
        self,
        outputs: ModelOutput,
        cls_output: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        return_dict: bool = False,
        labels: torch.Tensor | None = None,
        undo_invertible: Callable[[torch.Tensor], torch.Tensor] | None = None,
        hidden_scale: float = 1.0,
        softcap: float | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Any,
    ) -> ModelOutput | tuple[Any, ...]:
        """Predict from the base model's `outputs`.

        Args:
            undo_invertible: undoes invertible adapters, before the projection.
            hidden_scale: factor for the hidden states, in models that shrink them before they score the vocabulary.
            softcap: c for c · tanh(logits / c), in models that bound them.
            logits_to_keep: compute logits for this many last positions only; 0 for all.
            num_items_in_batch: divide the summed loss by this number, not by the number of labels at hand.
        """
        *transforms, projection = self
        hidden_states = slice_logits_to_keep(outputs[0], logits_to_keep)
        if hidden_scale != 1.0:
            hidden_states = hidden_states * hidden_scale
        for transform in transforms:
            hidden_states = transform(hidden_states)
        if undo_invertible is not None:
            hidden_states = undo_invertible(hidden_states)
        logits = projection(hidden_states)
        if softcap is not None:
            logits = softcap * torch.tanh(logits / softcap)
        loss = None if labels is None else self.loss(logits, labels, num_items_in_batch)
        return self.finish(outputs, return_dict, loss=loss, logits=logits)

    def loss(
        self, logits: torch.Tensor, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """Cross-entropy, with the labels one position ahead if `shift_labels`."""
        cross_entropy = ForCausalLMLoss if self.config["shift_labels"] else ForMaskedLMLoss
        return cross_entropy(logits, labels, logits.size(-1), num_items_in_batch)

    def argument_names(self) -> tuple[str, ...]:
        return ("labels", "logits_to_keep", "num_items_in_batch")

    def get_output_embeddings(self) -> nn.Linear:
        return self[-1]

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        """Replace the projection, for example by one for another vocabulary."""
        self[-1] = new_embeddings
        self.config["vocab_size"] = new_embeddings.out_features


def norm_epsilon(config: PreTrainedConfig) -> float:
    """What the model's own norms add to the variance, as far as its config says it."""
    named = (getattr(config, name, None) for name in ("layer_norm_eps", "norm_eps"))
    return next((epsilon for epsilon in named if epsilon is not None), 1e-12)


def embedding_width(config: PreTrainedConfig) -> int:
    """Width of the token embeddings, which some models keep smaller than their hidden states."""
    return config_value_or_none(config, "embedding_size") or config_value(config, "hidden_size")
