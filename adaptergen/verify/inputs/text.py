"""Which words does a model read, and what does it want to know of each of them?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from adaptergen.verify.inputs.call import BATCH, CHOICES, LENGTH, PADDING, WORDS, Call, configs


FIRST_WORD = 3  # smaller tokens have a meaning of their own
LETTERS = 2  # of each word
BYTES = 256  # of models that have no vocabulary
PLACEHOLDERS = {"image": 1, "video": 2, "audio": 3}  # and their types, where a model wants to know them
Tokens = Callable[[Tensor], Tensor]
SEEN = ("pixel_values", "image_pixel_values", "flattened_patches")  # their channels are colours
SIGHTS = "image_attention_mask"  # of each word, which pictures it sees
HIDDEN = ("bool_masked_pos",)  # of patches: where they can be hidden, the mask of pictures is one of patches too
SPECIAL = ("_token_id", "_token_index", "_token_ids")


def token_layouts(call: Call) -> Iterator[Tokens]:
    """Ways to bring texts: a token at each position, or, where texts are sounds, one of each codebook."""
    books = call.number("num_codebooks", "audio_codebooks", "num_channels", default=0, near=WORDS)
    if books > 1 and not call.takes(*SEEN):
        yield lambda tokens: tokens[..., None].expand(*tokens.shape, books) % _tokens_of_codebooks(call)
        yield lambda tokens: tokens.repeat_interleave(books, dim=0)
        yield lambda tokens: tokens[..., None].expand(*tokens.shape, books + 1) % _tokens_of_codebooks(call)
    yield lambda tokens: tokens


def _tokens_of_codebooks(call: Call) -> int:
    return min(vocabulary(call), call.number("codebook_size", "codebook_vocab_size", default=BYTES, near=WORDS))


def text(call: Call, placeholders: Mapping[str, int], *, tiled: bool = False) -> dict[str, Tensor]:
    """
    Words, a mask of them, and whatever else each word has.

    Args:
        placeholders: how many positions of each example stand for a picture or a sound.
        tiled: there is a picture in parts, which words can be kept from.
    """
    length = LENGTH + sum(placeholders.values())
    if call.takes("image_embeds_position_mask"):
        length += call.number("latent_query_num", default=1)
    shape = (BATCH, CHOICES, length) if call.choices else (BATCH, length)
    tokens, mask = words_of(call, shape), call.mask(*shape, padding=PADDING)
    kinds = torch.zeros(shape, dtype=torch.long)
    start = 1 if placeholders else 0  # a picture is seldom the first
    for kind, count in placeholders.items():
        tokens[..., start : start + count] = placeholder(call, kind)
        kinds[..., start : start + count] = PLACEHOLDERS[kind]
        start += count
    tokens = _ended(call, tokens, mask)
    inputs = {"input_ids": tokens, "attention_mask": mask}
    if call.takes("mm_token_type_ids"):
        inputs["mm_token_type_ids"] = kinds
    if tiled and call.takes("cross_attention_mask"):
        inputs["cross_attention_mask"] = _all_tiles(call, shape)
    others = (name for name in PER_WORD if call.takes(name) and not (name == SIGHTS and call.takes(*HIDDEN)))
    return inputs | {name: PER_WORD[name](call, shape) for name in others}


def retrieved(call: Call) -> dict[str, Tensor]:
    """Texts that were found for each example, one under the other, and how well each fits."""
    if not call.takes("context_input_ids"):
        return {}
    found = call.number("n_docs", default=1)
    shape = (found * BATCH, LENGTH)
    tokens, mask = words_of(call, shape), call.mask(*shape, padding=PADDING)
    return {
        "context_input_ids": _ended(call, tokens, mask),
        "context_attention_mask": mask,
        "doc_scores": call.normal(BATCH, found),
    }


def placeholder(call: Call, kind: str) -> int | None:
    """The token that stands for a picture or a sound in a text."""
    token = call.find(f"{kind}_token_id", f"{kind}_token_index", near=WORDS)
    return token if isinstance(token, int) else None


def vocabulary(call: Call) -> int:
    """How many tokens there are; models that hash their tokens know any."""
    config = call.model.config.get_text_config()
    size = getattr(config, "vocab_size", None) or call.find("vocab_size", "text_vocab_size", near=WORDS)
    return size if isinstance(size, int) and size > FIRST_WORD else BYTES


def words_of(call: Call, shape: tuple[int, ...]) -> Tensor:
    """Tokens without a meaning of their own."""
    special = {token for config in configs(call.model.config) for token in _special_tokens(vars(config))}
    usual = torch.tensor([token for token in range(FIRST_WORD, vocabulary(call)) if token not in special])
    return usual[torch.randint(len(usual), shape, generator=call.random)]


def _special_tokens(attributes: Mapping[str, object]) -> Iterator[int]:
    for name, value in attributes.items():
        if name.endswith(SPECIAL):
            yield from (each for each in (value if isinstance(value, list | tuple) else [value]) if type(each) is int)


def _ended(call: Call, tokens: Tensor, mask: Tensor) -> Tensor:
    """Each text ends in the end token: some heads read the sentence there."""
    tokens = torch.where(mask == 0, token_of(call, "pad_token_id") or 0, tokens)
    end = token_of(call, "eos_token_id")
    if end is not None:
        tokens[-1, ..., -PADDING - 1 if call.padded else -1] = end
        tokens[:-1, ..., -1] = end
    return tokens


def token_of(call: Call, name: str) -> int | None:
    """A special token, if there is such a one."""
    token = call.find(name, near=WORDS)
    token = token[0] if isinstance(token, list | tuple) and token else token
    return token if type(token) is int and 0 <= token < vocabulary(call) else None


def _boxes(call: Call, shape: tuple[int, ...]) -> Tensor:
    """Where each word stands on its page: left, top, right, bottom."""
    size = call.number("max_2d_position_embeddings", default=64)
    corners = torch.randint(size, (*shape, 2, 2), generator=call.random).sort(dim=-2).values
    return corners.flatten(-2)


def _languages(call: Call, shape: tuple[int, ...]) -> Tensor:
    return torch.zeros(shape, dtype=torch.long)


def _language(call: Call, shape: tuple[int, ...]) -> Tensor:
    """Of each text; where each has choices, one for all."""
    return torch.zeros(1 if call.choices else shape[0], dtype=torch.long)


def _all_pictures(call: Call, shape: tuple[int, ...]) -> Tensor:
    """Which of two pictures each word sees."""
    return torch.ones(*shape, 2, dtype=torch.long)


def _all_tiles(call: Call, shape: tuple[int, ...]) -> Tensor:
    """Which of the parts of one picture each word sees."""
    return torch.ones(*shape, 1, call.number("max_num_tiles", default=1), dtype=torch.long)


def _places_of_pictures(call: Call, shape: tuple[int, ...]) -> Tensor:
    """The words that the features of a picture replace."""
    places = torch.zeros(shape, dtype=torch.long)
    places[..., 1 : 1 + call.number("latent_query_num", default=1)] = 1
    return places


def _seen_by_all(call: Call, shape: tuple[int, ...]) -> Tensor:
    """The words that all others see, where most see their neighbours alone: the first."""
    seen = torch.zeros(shape, dtype=torch.long)
    seen[..., 0] = 1
    return seen


def _another(call: Call, shape: tuple[int, ...]) -> Tensor:
    """The same text for another reader, without places for pictures."""
    return words_of(call, (*shape[:-1], LENGTH))


def _mask_of_another(call: Call, shape: tuple[int, ...]) -> Tensor:
    return torch.ones(*shape[:-1], LENGTH, dtype=torch.long)


def _letters(call: Call, shape: tuple[int, ...]) -> Tensor:
    """What the words are written with, two letters each."""
    return words_of(call, (*shape[:-1], LETTERS * shape[-1]))


def _counts_of_letters(call: Call, shape: tuple[int, ...]) -> Tensor:
    return torch.full(shape, LETTERS)


PER_WORD: Mapping[str, Callable[[Call, tuple[int, ...]], Tensor]] = {
    "bbox": _boxes,
    "char_input_ids": _letters,
    "char_count_per_id": _counts_of_letters,
    "langs": _languages,
    "lang_ids": _language,
    "qformer_input_ids": _another,
    "qformer_attention_mask": _mask_of_another,
    "protein_input_ids": _another,
    "protein_attention_mask": _mask_of_another,
    SIGHTS: _all_pictures,
    "global_attention_mask": _seen_by_all,
    "image_embeds_position_mask": _places_of_pictures,
}
