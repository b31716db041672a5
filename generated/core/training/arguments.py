"""How do arguments of a command line become a model with an adapter to train?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from generated.core.composition import Stack
from generated.core.configuration import AdapterConfig
from generated.core.errors import TrainingSetupError


@dataclass
class AdapterArguments:
    """Arguments about adapters, for `HfArgumentParser`."""

    train_adapter: bool = field(default=False, metadata={"help": "Train an adapter instead of the whole model."})
    load_adapter: str | None = field(
        default="", metadata={"help": "Folder of an adapter to start from; by default a new one is added."}
    )
    adapter_config: str | None = field(
        default="seq_bn", metadata={"help": "Configuration of a new adapter: an identifier or a JSON file."}
    )
    load_lang_adapter: str | None = field(
        default=None, metadata={"help": "Folder of a language adapter, to be stacked below and kept as it is."}
    )
    lang_adapter_config: str | None = field(
        default=None, metadata={"help": "Of no effect: the folder of a language adapter holds its configuration."}
    )


def setup_adapter_training(
    model: nn.Module,
    adapter_args: AdapterArguments,
    adapter_name: str,
    adapter_config_kwargs: Mapping[str, Any] | None = None,
    adapter_load_kwargs: Mapping[str, Any] | None = None,
) -> tuple[str | None, str | None]:
    """
    Add or load an adapter as the arguments say, and make it what is trained.

    Args:
        adapter_config_kwargs: values that replace those of `adapter_args.adapter_config`.
        adapter_load_kwargs: further arguments of `load_adapter`.

    Returns:
        The names of the adapter and of the language adapter; `None` for what there is not.

    Raises:
        TrainingSetupError: adapters are to be loaded but not to be trained.
    """
    if not adapter_args.train_adapter:
        if adapter_args.load_adapter or adapter_args.load_lang_adapter:
            raise TrainingSetupError("adapters are loaded for training only; say --train_adapter, too")
        return None, None
    load_kwargs = dict(adapter_load_kwargs or {})
    if adapter_args.load_adapter:
        model.load_adapter(adapter_args.load_adapter, load_as=adapter_name, **load_kwargs)
    elif adapter_name not in model.adapters_config:
        config = AdapterConfig.load(adapter_args.adapter_config, **(adapter_config_kwargs or {}))
        model.add_adapter(adapter_name, config=config)
    language = None
    if adapter_args.load_lang_adapter:
        language = model.load_adapter(adapter_args.load_lang_adapter, **load_kwargs)
    model.train_adapter(adapter_name)
    if language:
        model.set_active_adapters(Stack(language, adapter_name))
    return adapter_name, language
