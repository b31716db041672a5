"""How do our methods and those that transformers has for PEFT share their names?

What a call is meant for shows in its arguments: a PEFT configuration, arguments that only PEFT has, or the name of an
adapter that PEFT has put into the model. Everything else is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from os import PathLike
from pathlib import Path
from typing import Any

from transformers.integrations import PeftAdapterMixin

from generated.core import lifecycle, loading, merging
from generated.core.interop import is_peft_folder


LOADING_ARGUMENTS = frozenset(
    {
        "adapter_kwargs",
        "adapter_name",
        "adapter_state_dict",
        "hotswap",
        "is_trainable",
        "load_config",
        "low_cpu_mem_usage",
        "peft_config",
        "peft_model_id",
    }
)


def or_peft(method: Callable) -> Callable:
    """A call with a PEFT configuration is meant for the method of the same name in transformers."""

    @wraps(method)
    def dispatch(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = args[0] if args else kwargs.get("adapter_config")
        if hasattr(given, "peft_type"):
            return getattr(super(PeftMethodsMixin, self), method.__name__)(*args, **kwargs)
        return method(self, *args, **kwargs)

    return dispatch


def or_upstream_loader(method: Callable) -> Callable:
    """
    `load_adapter` of transformers loads adapters of PEFT; some models of speech have one for languages.

    For PEFT are calls with arguments of PEFT, and those that give a folder of PEFT a name by position. A model that
    has a method of its own is asked for everything that is no folder and no repository.
    """

    @wraps(method)
    def dispatch(self: Any, *args: Any, **kwargs: Any) -> Any:
        upstream = super(PeftMethodsMixin, self).load_adapter
        is_own = upstream.__func__ is not PeftAdapterMixin.load_adapter
        if (is_own and _is_word(args, kwargs)) or LOADING_ARGUMENTS & kwargs.keys() or _is_named_peft_folder(args):
            return upstream(*args, **kwargs)
        return method(self, *args, **kwargs)

    return dispatch


class PeftMethodsMixin:
    """Methods that transformers has for PEFT, for adapters of both kinds."""

    def delete_adapter(
        self, adapter_name: str | Sequence[str] | None = None, adapter_names: str | Sequence[str] | None = None
    ) -> None:
        """
        Remove an adapter, or several. The last one to go leaves the model as it was before the first one came.

        Args:
            adapter_names: the same under the name that it has in transformers.

        Raises:
            UnknownAdapterError: there is no such adapter; nothing was removed.
        """
        given = adapter_names if adapter_name is None else adapter_name
        names = [given] if isinstance(given, str) else list(given or ())
        of_peft = [name for name in names if self._is_of_peft(name)]
        ours = [name for name in names if name not in of_peft]
        self.adapters_config.require(*ours)
        for name in ours:
            lifecycle.delete_adapter(self.adapted_base, name)
        if of_peft:
            super().delete_adapter(of_peft)

    def set_adapter(self, adapter_name: str | list[str]) -> None:
        """
        Activate adapters: PEFT's, if these are theirs, else ours as `set_active_adapters` does.

        Raises:
            UnknownAdapterError: neither has them.
        """
        names = [adapter_name] if isinstance(adapter_name, str) else list(adapter_name)
        if names and all(map(self._is_of_peft, names)):
            super().set_adapter(adapter_name)
        else:
            self.set_active_adapters(adapter_name)

    def disable_adapters(self) -> None:
        """Let no adapter act, neither ours nor PEFT's, until `enable_adapters`."""
        config, merged = self.adapters_config, merging.merged_adapter(self.adapted_base)
        if config.active_setup is not None or merged is not None:
            config.disabled = (config.active_setup, config.skip_layers, merged)
            self.set_active_adapters(None)
        if self._has_peft:
            super().disable_adapters()

    def enable_adapters(self) -> None:
        """Let those adapters act again that `disable_adapters` switched off, as far as they are still there."""
        config = self.adapters_config
        disabled, config.disabled = config.disabled, None
        if disabled is not None and config.active_setup is None:
            setup, skip_layers, merged = disabled
            self.set_active_adapters(lifecycle.still_there(self.adapted_base, setup), skip_layers)
            if merged in config:
                merging.merge(self.adapted_base, merged)
        if self._has_peft:
            super().enable_adapters()

    def get_adapter_state_dict(self, adapter_name: str | None = None, state_dict: dict | None = None) -> dict:
        """The weights of an adapter: one of ours by the names in our files, one of PEFT as transformers gives it."""
        if adapter_name in self.adapters_config:
            return lifecycle.adapter_tensors(self.adapted_base, adapter_name)
        with self._only_peft_active():
            tensors = super().get_adapter_state_dict(adapter_name, state_dict)
        ours = loading.adapter_keys(self)  # PEFT takes what is below its modules for its own
        return {name: tensor for name, tensor in tensors.items() if name not in ours}

    @property
    def _has_peft(self) -> bool:
        return getattr(self, "_hf_peft_config_loaded", False)

    def _is_of_peft(self, name: object) -> bool:
        return self._has_peft and name not in self.adapters_config and name in self.peft_config

    @contextmanager
    def _only_peft_active(self) -> Iterator[None]:
        """With PEFT, transformers calls `model.active_adapters()`, and that is a method while none of ours acts."""
        base, config = self.adapted_base, self.adapters_config
        setup, skip_layers = config.active_setup, config.skip_layers
        if not self._has_peft or setup is None:
            yield
            return
        lifecycle.activate(base, None)
        try:
            yield
        finally:
            lifecycle.activate(base, setup, skip_layers)


def _is_word(args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    given = args[0] if args else kwargs.get("target_lang", kwargs.get("adapter_name_or_path"))
    return isinstance(given, str) and "/" not in given and not Path(given).exists()


def _is_named_peft_folder(args: Sequence[Any]) -> bool:
    return (
        len(args) > 1 and isinstance(args[1], str) and isinstance(args[0], str | PathLike) and is_peft_folder(args[0])
    )
