"""Invertible adapters: one module on the owner of the first stack, reached through hooks."""

from __future__ import annotations

from torch import nn

from generated.core.configuration import AdapterConfig, BnConfig
from generated.core.layers.invertible import InvertibleAdapters, build_invertible
from generated.core.layers.lora.projection import features
from generated.core.layers.slot import Borrowed, Place
from generated.core.methods.base import AdapterMethod, Target, drawn_from, install
from generated.core.methods.hooks import remove_hooks
from generated.core.placed import first_layer, first_stack, unwrapped, word_embeddings
from generated.core.sites import resolve
from generated.core.widths import entry_width


def add(target: Target) -> int:
    model = target.model
    owner = invertible_owner(model)
    if owner is None:
        return 0
    if not hasattr(owner, "invertible_adapters"):
        owner.invertible_adapters = InvertibleAdapters()
        model.invertible_of_owner = Borrowed(owner.invertible_adapters)
        _attach(model, owner.invertible_adapters)
    with drawn_from(target.config.init_weights_seed):
        coupling = build_invertible(_embedding_width(model) or entry_width(model), target.config)
    install(target, owner.invertible_adapters, Place(-1, "invertible"), coupling, owner)
    return 1


def tidy(model: nn.Module) -> None:
    owner = invertible_owner(model)
    adapters = getattr(owner, "invertible_adapters", None)
    if isinstance(adapters, InvertibleAdapters) and not adapters:
        _detach(model, adapters)
        del owner.invertible_adapters
        del model.invertible_of_owner


def invertible_owner(model: nn.Module) -> nn.Module | None:
    """The module that embeds the input: the encoder, where there is one; `None` where no layers are known."""
    stack = first_stack(model)
    return None if stack is None else resolve(model, stack.owner)


def present_invertible(model: nn.Module) -> InvertibleAdapters | None:
    """The module with the invertible adapters, without a search: a forward that is compiled asks for it."""
    borrowed = getattr(model, "invertible_of_owner", None)
    return None if borrowed is None else borrowed.module


def undo_in_front_of(model: nn.Module, output_embeddings: nn.Module | None) -> None:
    """Let the invertible adapters of `model` be undone in front of this module, and nowhere else."""
    adapters = present_invertible(model)
    if adapters is not None:
        remove_hooks(adapters, model.inverse_site())
        _undo_here(adapters, output_embeddings)


def _attach(model: nn.Module, adapters: InvertibleAdapters) -> None:
    entry = _entry(model)
    if entry is not None and _embedding_width(model):
        adapters.handle = entry.register_forward_pre_hook(adapters.adapt_input, with_kwargs=True)
    elif entry is not None:
        adapters.handle = entry.register_forward_hook(adapters.adapt_output, prepend=True)
    else:
        adapters.handle = first_layer(model).module.register_forward_pre_hook(adapters.adapt_input, with_kwargs=True)
    _undo_here(adapters, model.inverse_site())


def _undo_here(adapters: InvertibleAdapters, output_embeddings: nn.Module | None) -> None:
    if output_embeddings is not None:
        adapters.handle = output_embeddings.register_forward_pre_hook(adapters.invert_input)


def _detach(model: nn.Module, adapters: InvertibleAdapters) -> None:
    for module in (_entry(model), first_layer(model).module, model.inverse_site()):
        remove_hooks(adapters, module)


def _entry(model: nn.Module) -> nn.Module | None:
    """The module whose output is what the layers start from; `None` where this instance has no such module."""
    stack = first_stack(model)
    return resolve(invertible_owner(model), stack.entry) if stack.entry else None


def _embedding_width(model: nn.Module) -> int | None:
    """
    The width of the word embeddings, where a map makes them as wide as the layers (ALBERT, ELECTRA): output embeddings
    take states as narrow, so that invertible adapters act in front of that map, as in AdapterHub.
    """
    entry, words = _entry(model), getattr(word_embeddings(model), "embedding_dim", None)
    if entry is None or not hasattr(unwrapped(entry), "in_features"):
        return None
    narrow, wide = features(unwrapped(entry))
    return narrow if narrow == words and narrow != wide else None


def _is_wanted(config: AdapterConfig) -> bool:
    return isinstance(config, BnConfig) and bool(config.inv_adapter)


METHOD = AdapterMethod("invertible", _is_wanted, add, tidy)
