"""How does a setup act for the time of a block of code?

Models know their setups, and no forward asks anyone else. So the setup is changed in all models that have its adapters
when the block begins, and changed back when it ends. All threads see it, so that a model takes blocks of one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from threading import Lock, get_ident
from typing import Any, Self
from weakref import WeakKeyDictionary

from torch import nn

from generated.core import lifecycle, merging
from generated.core.composition import AdapterCompositionBlock, Fuse, Setup, parse_composition
from generated.core.errors import ModelInUseError, UnknownAdapterError
from generated.core.heads.division import parse_heads_from_composition
from generated.core.mixins.model import ADAPTED_MODELS


class AdapterSetup:
    """
    Lets a setup of adapters, and heads with it, be active in a `with` block::

        with AdapterSetup(Stack("language", "task"), head_setup="task"):
            model(**inputs)

    It is active in every model that has all of these adapters, and in all threads; while a thread is in such a block,
    those of other threads are refused: give each thread its own copy of the model, or let them wait for one another.
    Blocks may nest. What was active or merged before is so again afterwards.

    Args:
        adapter_setup: as for `set_active_adapters`; `None` lets no adapter act, in any model.
        head_setup: as for `active_head`; by default the heads that are called like the adapters at the end of the
            setup, where a model has them.
        ignore_empty: change nothing where `adapter_setup` is empty.
    """

    def __init__(
        self,
        adapter_setup: Setup | None,
        head_setup: str | Sequence[str] | AdapterCompositionBlock | None = None,
        ignore_empty: bool = False,
    ) -> None:
        self.adapter_setup = parse_composition(adapter_setup)
        self.head_setup = head_setup
        self.is_ignored = ignore_empty and self.adapter_setup is None and head_setup is None
        self._entered: list[ExitStack] = []

    def __enter__(self) -> Self:
        """
        Raises:
            UnknownAdapterError: no model has all of the adapters.
            UnknownHeadError: a model that has them has not all of the heads; nothing has changed.
            ModelInUseError: another thread is in a block for one of these models; nothing has changed.
        """
        with ExitStack() as undo:
            for model in () if self.is_ignored else self._models():
                _enter(model)
                undo.callback(_leave, model)
                undo.callback(_restore, model, *_state_of(model))
                self._activate(model)
            self._entered.append(undo.pop_all())
        return self

    def __exit__(self, *exception: object) -> None:
        self._entered.pop().close()

    def _models(self) -> list[nn.Module]:
        if self.adapter_setup is None:
            return list(ADAPTED_MODELS)
        models = [model for model in ADAPTED_MODELS if _has_all(model, self.adapter_setup)]
        if not models:
            raise UnknownAdapterError(f"no model has all that is in {self.adapter_setup!r}; add or load it first")
        return models

    def _activate(self, model: nn.Module) -> None:
        lifecycle.activate(model, self.adapter_setup, model.adapters_config.skip_layers)
        merging.reset(model)
        head_model = _model_with_heads(model)
        if head_model is None:
            return
        heads = self.head_setup or parse_heads_from_composition(self.adapter_setup, head_model.heads)
        if heads is not None:
            head_model.active_head = heads


_ENTERED: WeakKeyDictionary[nn.Module, list[int]] = WeakKeyDictionary()  # the thread of each block, by model
_ENTERING = Lock()


def _enter(model: nn.Module) -> None:
    with _ENTERING:
        threads = _ENTERED.setdefault(model, [])
        if any(thread != get_ident() for thread in threads):
            raise ModelInUseError(
                f"another thread is in a block of AdapterSetup for this {type(model).__name__}, which has one setup "
                "for all threads: give each thread a copy of the model, or enter the block when the other has left it"
            )
        threads.append(get_ident())


def _leave(model: nn.Module) -> None:
    with _ENTERING:
        _ENTERED[model].pop()


def _has_all(model: nn.Module, setup: AdapterCompositionBlock) -> bool:
    config = model.adapters_config
    fusions = (block.name for block in setup.blocks if isinstance(block, Fuse) and len(block) > 1)
    return all(name in config for name in setup.names) and all(name in config.fusions for name in fusions)


def _model_with_heads(model: nn.Module) -> Any:
    """The model around a base model, if its heads have names."""
    around = model._head_model.module
    return around if hasattr(around, "active_head") else None


def _state_of(model: nn.Module) -> tuple[Any, ...]:
    head_model, config = _model_with_heads(model), model.adapters_config
    heads = None if head_model is None else head_model.active_head
    return config.active_setup, config.skip_layers, merging.merged_adapter(model), heads


def _restore(
    model: nn.Module,
    setup: AdapterCompositionBlock | None,
    skip_layers: frozenset[int],
    merged: str | None,
    heads: str | list[str] | AdapterCompositionBlock | None,
) -> None:
    """Back to what was active, but for what is no longer there."""
    lifecycle.activate(model, lifecycle.still_there(model, setup), skip_layers)
    merging.reset(model)
    if merged in model.adapters_config:
        merging.merge(model, merged)
    head_model = _model_with_heads(model)
    if head_model is not None:
        names = (heads,) if isinstance(heads, str) else heads or ()
        head_model.active_head = heads if all(name in head_model.heads for name in names) else None
