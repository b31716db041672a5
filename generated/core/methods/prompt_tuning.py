"""Prompt tuning: prompts on the model, which join the embeddings of its input."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from generated.core.configuration import AdapterConfig, PromptTuningConfig
from generated.core.errors import AdapterConfigError, UnsupportedMethodError
from generated.core.layers.prompt_tuning import EMBEDDING_MASK, PromptTuning, PromptTuningLayer
from generated.core.layers.slot import Place
from generated.core.methods.base import AdapterMethod, Target, drawn_from, install
from generated.core.methods.hooks import remove_hooks
from generated.core.placed import placed_layers, present_stacks, word_embeddings
from generated.core.sites import resolve
from generated.core.widths import entry_width


ROTARY = frozenset({"position_embeddings", "position_ids"})

Tokenizer = Callable[[str], Any]


def add(target: Target) -> int:
    model = target.model
    layer = _layer(model)
    with drawn_from(target.config.init_weights_seed):
        prompt = PromptTuning(_size(model, layer.is_hooked), target.config)
    install(target, layer.prompt_tunings, Place(-1, "prompt"), prompt, model.get_input_embeddings())
    return 1


def tidy(model: nn.Module) -> None:
    layer = getattr(model, "prompt_tuning", None)
    if isinstance(layer, PromptTuningLayer) and not layer.prompt_tunings:
        for module in (_entered(model), _embedding_module(model)):
            remove_hooks(layer, module)
        del model.prompt_tuning


def embedded_text(model: nn.Module, config: AdapterConfig, tokenizer: Tokenizer | None) -> Tensor | None:
    """
    What a prompt of `config` starts from, (prompt length, size), if that is a text.

    Raises:
        AdapterConfigError: there is no tokenizer, or the model has no words.
    """
    part = next((part for part in config.parts if _is_wanted(part) and part.prompt_init == "from_string"), None)
    if part is None:
        return None
    embeddings = word_embeddings(model)
    if not isinstance(embeddings, nn.Embedding):
        raise AdapterConfigError(
            f"{type(model).__name__} has no embeddings of words, so no prompt can be made of text"
        )
    words = (tokenizer or _tokenizer_of(model))(part.prompt_init_text)["input_ids"]
    if not words:
        raise AdapterConfigError(f"the tokenizer makes nothing of {part.prompt_init_text!r}")
    repeated = torch.tensor([words[position % len(words)] for position in range(part.prompt_length)])
    return embeddings(repeated.to(embeddings.weight.device)).detach()


def start_from(model: nn.Module, name: str, embedded: Tensor) -> None:
    """Let the prompt of an adapter be this one."""
    with torch.no_grad():
        model.prompt_tuning.prompt_tunings[name].prompt_embedding.weight.copy_(embedded)


def _layer(model: nn.Module) -> PromptTuningLayer:
    if not hasattr(model, "prompt_tuning"):
        _refuse_unfit(model)
        entered, embedding_module = _entered(model), _embedding_module(model)
        layer = PromptTuningLayer(
            _arguments(entered),
            is_hooked=embedding_module is not None,
            needs_mask=embedding_module is not None and EMBEDDING_MASK in _arguments(embedding_module),
        )
        layer.handle = entered.register_forward_pre_hook(layer.make_room, with_kwargs=True)
        entered.register_forward_hook(layer.clear_room)
        if layer.needs_mask:
            embedding_module.register_forward_pre_hook(layer.restore_mask, with_kwargs=True)
        if layer.is_hooked:
            embedding_module.register_forward_hook(layer.adapt_output)
        model.prompt_tuning = layer
    return model.prompt_tuning


def _entered(model: nn.Module) -> nn.Module:
    """What is given the words or their embeddings, whichever head of the model is called."""
    stack = next(present_stacks(model))
    return resolve(model, stack.owner) if stack.called_by_heads else model


def _refuse_unfit(model: nn.Module) -> None:
    """
    Raises:
        UnsupportedMethodError: this instance cannot take prompts.
    """
    name = type(model).__name__
    if len(list(present_stacks(model))) > 1:
        raise UnsupportedMethodError(
            f"{name} has several stacks of layers: those that do not read the embeddings would not know of "
            "the prompt; use prefix tuning"
        )
    words = word_embeddings(model)
    if words is None:
        raise UnsupportedMethodError(f"{name} does not say which of its modules embeds the input")
    is_inside = _embedding_module(model) is not None
    if isinstance(words, nn.ModuleList) or not (is_inside or hasattr(words, "weight")):
        raise UnsupportedMethodError(f"{name} reads several tokens at each position: a prompt has but one")
    if not is_inside and "inputs_embeds" not in _arguments(_entered(model)):
        raise UnsupportedMethodError(f"{name} takes no embeddings as input, so there is no place for a prompt")


def _embedding_module(model: nn.Module) -> nn.Module | None:
    """
    The module that makes of words, positions and what else there is all that enters the first layer.

    `None` where positions would be wrong if a prompt came behind it: a decoder counts later positions by its cache,
    and layers with rotary embeddings are told positions that are made elsewhere.
    """
    layer = next(placed_layers(model)).module
    if getattr(model.config, "is_decoder", False) or ROTARY.intersection(_arguments(layer)):
        return None
    stack = next(present_stacks(model))
    entry = resolve(resolve(model, stack.owner), stack.entry) if stack.entry else None
    words = word_embeddings(model)
    return entry if entry is not None and entry is not words and words in set(entry.modules()) else None


def _arguments(module: nn.Module) -> tuple[str, ...]:
    return tuple(signature(type(module).forward).parameters)[1:]


def _size(model: nn.Module, is_hooked: bool) -> int:
    if is_hooked:
        return entry_width(model)
    return model.get_input_embeddings().weight.shape[-1]


def _tokenizer_of(model: nn.Module) -> Tokenizer:
    name = getattr(model.config, "tokenizer_name_or_path", None) or model.config.name_or_path
    try:
        return AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AdapterConfigError(
            f"a prompt that starts from a text needs a tokenizer, and {name!r} leads to none; pass tokenizer=… to "
            "add_adapter"
        ) from error


def _is_wanted(config: AdapterConfig) -> bool:
    return isinstance(config, PromptTuningConfig)


METHOD = AdapterMethod("prompt_tuning", _is_wanted, add, tidy)
