"""What does a decoder read when only the encoder's input, or only the target text, is given?"""

from typing import Any

import torch

from generated.core.heads.base import PredictionHead
from generated.core.heads.running import HeadForwardMixin
from generated.core.heads.seq2seq_lm import Seq2SeqLMHead


class EncoderDecoderHeadsMixin(HeadForwardMixin):
    """Heads of a model that has an encoder and a decoder."""

    def complete_arguments(
        self, arguments: dict[str, Any], heads: tuple[PredictionHead, ...], head_arguments: dict[str, Any]
    ) -> dict[str, Any]:
        """The decoder reads the shifted labels of a language modeling head, else the shifted encoder input."""
        arguments = super().complete_arguments(arguments, heads, head_arguments)
        if arguments.get("decoder_input_ids") is not None or arguments.get("decoder_inputs_embeds") is not None:
            return arguments
        writes = any(isinstance(head, Seq2SeqLMHead) for head in heads)
        text = head_arguments.get("labels") if writes else None
        text = arguments.get("input_ids") if text is None else text
        if text is None:
            raise ValueError(
                "the decoder has nothing to read: pass input_ids, decoder_input_ids or decoder_inputs_embeds"
            )
        return {**arguments, "decoder_input_ids": self.prepare_decoder_input_ids_from_labels(text)}

    def prepare_decoder_input_ids_from_labels(self, labels: torch.Tensor) -> torch.Tensor:
        """(batch, length) decoder inputs that predict `labels`: a start token, then the labels but the last."""
        start, padding = self.config.decoder_start_token_id, self.config.pad_token_id
        if start is None or padding is None:
            raise ValueError(
                "set decoder_start_token_id and pad_token_id in the model's config to shift labels to the right"
            )
        shifted = labels.roll(1, dims=-1)
        shifted[..., 0] = start
        return shifted.masked_fill(shifted == -100, padding)
