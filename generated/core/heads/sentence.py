"""Which vector of a sequence stands for the whole sequence?

A model that was pretrained with a sentence token reads it there, a decoder can only know the whole text at its last
token. The four ways below are all there are; an adapter model names one of them in `sentence_source`.
"""

from typing import Literal

import torch
from transformers import PreTrainedConfig
from transformers.utils import ModelOutput, logging, torch_compilable_check


logger = logging.get_logger(__name__)

SentenceSource = Literal["pooler", "first_token", "last_token", "last_eos"]


def sentence_representation(
    source: SentenceSource,
    outputs: ModelOutput,
    input_ids: torch.Tensor | None,
    config: PreTrainedConfig,
    use_pooler: bool = False,
) -> torch.Tensor:
    """The (batch, hidden) sentence vectors in the (batch, length, hidden) states of the base model.

    Args:
        source: "pooler": the first token, through the base model's own pooler if `use_pooler`; "first_token";
            "last_token": the last token that is not padding; "last_eos": the last end-of-sequence token.
        input_ids: (batch, length) token ids that `outputs` belong to (of the encoder, if there is one).

    Raises:
        ValueError: the tokens do not tell which position it is.
    """
    hidden_states = outputs[0]
    if use_pooler:
        return pooled_output(outputs)
    if source == "last_token":
        pad_token_id = getattr(config.get_text_config(), "pad_token_id", None)
        return _at(last_token_index(hidden_states, input_ids, pad_token_id), hidden_states)
    if source == "last_eos":
        return _at(last_eos_index(input_ids, config.get_text_config().eos_token_id), hidden_states)
    return hidden_states[:, 0]


def pooled_output(outputs: ModelOutput) -> torch.Tensor:
    """The base model's own pooled output, (batch, hidden)."""
    pooled = outputs.get("pooler_output")
    if pooled is None:
        raise ValueError(
            "the head has use_pooler=True, but the base model returned no pooler_output. Load a base model with its "
            "pooling layer, or use a head with use_pooler=False."
        )
    return pooled


def last_token_index(
    hidden_states: torch.Tensor, input_ids: torch.Tensor | None, pad_token_id: int | None
) -> torch.Tensor | int:
    """Position of the rightmost token that is not padding, whichever side is padded.

    Raises:
        ValueError: several sequences, but no padding token that would tell where each ends.
    """
    if pad_token_id is None and hidden_states.size(0) != 1:
        raise ValueError(
            "the last token of each sequence in a batch is found by the padding token, and the model's config names "
            "none. Set model.config.pad_token_id, or pass one sequence at a time."
        )
    if pad_token_id is None:
        return -1
    if input_ids is None:
        logger.warning_once("without input_ids padding is not seen: the last position of each sequence is classified")
        return -1
    return _last_true((input_ids != pad_token_id).to(hidden_states.device))


def last_eos_index(input_ids: torch.Tensor | None, eos_token_id: int) -> torch.Tensor:
    """Position of the last end-of-sequence token of each sequence.

    Raises:
        ValueError: no `input_ids`, or sequences without or with different numbers of end-of-sequence tokens.
    """
    if input_ids is None:
        raise ValueError("the end-of-sequence token is found in input_ids; inputs_embeds alone cannot be classified")
    is_eos = input_ids.eq(eos_token_id)
    counts = is_eos.sum(dim=1)
    torch_compilable_check(
        (counts >= 1) & (counts == counts[0]),
        f"every sequence needs the same number of end-of-sequence tokens (id {eos_token_id}), and at least one",
    )
    return _last_true(is_eos)


def _last_true(mask: torch.Tensor) -> torch.Tensor:
    """Index of the last true element in each row of a (batch, length) mask; 0 where there is none."""
    positions = torch.arange(mask.size(-1), device=mask.device, dtype=torch.int32)
    return (positions * mask.to(torch.int32)).argmax(-1)


def _at(positions: torch.Tensor | int, hidden_states: torch.Tensor) -> torch.Tensor:
    """(batch, hidden) states at one position of each sequence."""
    return hidden_states[torch.arange(hidden_states.size(0), device=hidden_states.device), positions]
