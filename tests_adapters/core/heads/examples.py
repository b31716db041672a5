"""Tiny inputs with targets, one set per kind of head."""

import torch
from transformers import MODEL_MAPPING, PreTrainedConfig

from adaptergen.verify.tiny.tokens import is_token


BATCH, LENGTH, CHOICES, NUM_LABELS = 3, 8, 4, 3
SAMPLES = 4000

Tensors = dict[str, torch.Tensor]


def example_inputs(head_type: str, config: PreTrainedConfig, num_labels: int = NUM_LABELS) -> Tensors:
    """Inputs and targets for a head of `head_type` on a model with `config`."""
    generator = torch.Generator().manual_seed(11)
    if head_type == "image_classification":
        size = (BATCH, config.num_channels, config.image_size, config.image_size)
        return {"pixel_values": torch.randn(size, generator=generator), "labels": torch.arange(BATCH) % num_labels}
    if hears(config):
        return {**speech(config), **targets(head_type, text(config, BATCH)["input_ids"], num_labels, generator)}
    if head_type == "multiple_choice":
        inputs = {name: tensor.view(BATCH, CHOICES, LENGTH) for name, tensor in text(config, BATCH * CHOICES).items()}
    else:
        inputs = text(config, BATCH)
    return {**inputs, **targets(head_type, inputs["input_ids"], num_labels, generator)}


def example_prompts(config: PreTrainedConfig) -> Tensors:
    """Speech, or padded prompts: a decoder goes on where the text ends, so its padding is on the left."""
    if hears(config):
        return speech(config)
    return text(config, BATCH, padding_side="right" if config.is_encoder_decoder else "left")


def hears(config: PreTrainedConfig) -> bool:
    return MODEL_MAPPING[type(config)].main_input_name in ("input_features", "input_values")


def speech(config: PreTrainedConfig) -> Tensors:
    """Two frames (BATCH, mel bins, frames) for each position of the encoder, or samples (BATCH, SAMPLES)."""
    name = MODEL_MAPPING[type(config)].main_input_name
    shape = (config.num_mel_bins, 2 * config.max_source_positions) if name == "input_features" else (SAMPLES,)
    return {name: torch.randn(BATCH, *shape, generator=torch.Generator().manual_seed(7))}


def text(config: PreTrainedConfig, rows: int, padding_side: str = "right") -> Tensors:
    """`input_ids` and `attention_mask` (rows, LENGTH) of texts of unequal length.

    A text that is padded on the right ends with its only end-of-sequence token, if there is such a token.
    """
    generator = torch.Generator().manual_seed(7)
    words = config.get_text_config()
    special = {value for each in (config, words) for name, value in vars(each).items() if is_token(name)}
    ordinary = torch.tensor([token for token in range(words.vocab_size) if token not in special])
    input_ids = torch.full((rows, LENGTH), words.pad_token_id or 0)
    attention_mask = torch.zeros_like(input_ids)
    for row in range(rows):
        length = LENGTH - row % 3
        start = 0 if padding_side == "right" else LENGTH - length
        tokens = ordinary[torch.randint(len(ordinary), (length,), generator=generator)]
        input_ids[row, start : start + length] = tokens
        attention_mask[row, start : start + length] = 1
        if words.eos_token_id is not None and padding_side == "right":
            input_ids[row, length - 1] = words.eos_token_id
    return {"input_ids": input_ids, "attention_mask": attention_mask}


def targets(head_type: str, input_ids: torch.Tensor, num_labels: int, generator: torch.Generator) -> Tensors:
    """What a head of `head_type` is trained on."""
    if head_type == "question_answering":
        return {"start_positions": torch.tensor([1, 0, LENGTH + 5]), "end_positions": torch.tensor([3, 2, 4])}
    if head_type.endswith("_lm"):
        return {"labels": torch.where(torch.rand(input_ids.shape, generator=generator) < 0.6, input_ids, -100)}
    if head_type == "tagging":
        return {"labels": torch.randint(num_labels, input_ids.shape, generator=generator)}
    if head_type == "dependency_parsing":
        arcs = torch.randint(LENGTH // 2, input_ids.shape, generator=generator)
        relations = torch.randint(num_labels, input_ids.shape, generator=generator)
        word_starts = torch.tensor([[1, 3, 4, 5]] * BATCH)
        return {"word_starts": word_starts, "labels_arcs": arcs, "labels_rels": relations}
    if head_type == "multilabel_classification":
        return {"labels": torch.randint(2, (BATCH, num_labels), generator=generator).float()}
    if head_type == "multiple_choice":
        return {"labels": torch.randint(CHOICES, (BATCH,), generator=generator)}
    return {"labels": torch.arange(BATCH) % num_labels}
