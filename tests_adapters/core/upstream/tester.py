"""What do transformers' tests know of a model? A small configuration, inputs, and numbers that outputs must have.

In transformers each model has a `ModelTester` with numbers by hand. Here they are those of upstream's own class, run
once: what they say of that class they must say of the same class with adapters.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from adaptergen.verify import inputs
from adaptergen.verify.outputs import call
from adaptergen.verify.subjects import Subject


# Of each example: a test that wants seven examples adds what is missing itself, from any numbers.
COPIES = 4


class TinyModelTester:
    """
    What the mixins of transformers ask of `self.model_tester`, for one class of upstream.

    Attributes:
        num_hidden_layers: and all other numbers, only if upstream's class has them.
    """

    is_training = True
    num_choices = inputs.CHOICES

    def __init__(self, subject: Subject, cls: type[PreTrainedModel]) -> None:
        self._subject = subject
        self.causal_lm_class = cls if subject.generates and not subject.config.is_encoder_decoder else None
        vars(self).update(self._numbers())

    def get_config(self) -> Any:
        """A configuration of its own: tests write into theirs."""
        return self._subject.config

    def prepare_config_and_inputs_for_common(self) -> tuple[Any, dict[str, Tensor]]:
        """The configuration, and a batch without padding, the main input first."""
        return self.get_config(), {name: value.clone() for name, value in self._inputs.items()}

    @cached_property
    def _model(self) -> PreTrainedModel:
        return self._subject.upstream()

    @cached_property
    def _inputs(self) -> Mapping[str, Tensor]:
        batch = inputs.batch(self._model, padded=False, layout=self._subject.layout)
        return {name: torch.cat([value] * COPIES) for name, value in batch.items()}

    @cached_property
    def outputs(self) -> Mapping[str, Any]:
        """All that upstream's class gives, its hidden states and attentions included if it has them."""
        batch = self._subject.inputs(self._model, padded=False)
        with torch.no_grad():
            for asked in ({"output_hidden_states": True, "output_attentions": True}, {"output_hidden_states": True}):
                try:
                    return dict(call(self._model, batch, **asked))
                except (TypeError, ValueError, AttributeError):  # not all classes have either
                    continue
        return {}

    def tensors(self, name: str) -> tuple[Tensor, ...]:
        """One for each layer, of the encoder where there are two stacks; none if upstream's class has none."""
        found = self.outputs.get(name) or self.outputs.get(f"encoder_{name}") or ()
        return tuple(each for each in found if isinstance(each, Tensor))

    def _numbers(self) -> dict[str, int]:
        main = next(iter(self._inputs.values()))
        states, attentions = self.tensors("hidden_states"), self.tensors("attentions")
        numbers = {"batch_size": len(main)}
        if states:
            numbers |= {"expected_num_hidden_layers": len(states), "num_hidden_layers": len(states) - 1}
            numbers |= {"hidden_size": states[0].shape[-1], "seq_length": states[0].shape[-2]}
        if attentions:
            numbers |= {"num_hidden_layers": len(attentions), "num_attention_heads": attentions[0].shape[-3]}
            numbers |= {"key_length": attentions[0].shape[-1]}
        if self.get_config().is_encoder_decoder:
            numbers |= self._numbers_of_decoder(numbers.get("seq_length"))
        return numbers

    def _numbers_of_decoder(self, encoder_length: int | None) -> dict[str, int]:
        written = self._inputs.get("decoder_input_ids")
        numbers = {} if encoder_length is None else {"encoder_seq_length": encoder_length}
        return numbers if written is None else {**numbers, "seq_length": written.shape[-1]}

    @property
    def has_words(self) -> bool:
        """Are there embeddings of words that can become more or fewer?"""
        try:
            return isinstance(self._model.get_input_embeddings(), nn.Embedding)
        except NotImplementedError:  # what is heard has none
            return False
