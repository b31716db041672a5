"""Which adapter model class does a checkpoint need?

Only the module of that one architecture is imported, and only when it is asked for.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from transformers import CONFIG_MAPPING, AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.configuration_auto import model_type_to_module_name

from generated.core.errors import StaleModuleError, UnsupportedModelError
from generated.core.integrations import load_integration, package_of
from generated.core.remote_code import base_class_in_code
from generated.models import ADAPTER_MODEL_MAPPING_NAMES


if TYPE_CHECKING:
    from generated.core.typed import AdapterModel

# Arguments of `from_pretrained` that say where a checkpoint is; all others are about what to do with it.
LOCATION_ARGUMENTS = (
    "cache_dir",
    "force_download",
    "local_files_only",
    "proxies",
    "revision",
    "subfolder",
    "token",
    "trust_remote_code",
)


def adapter_model_class(model_type: str) -> type[PreTrainedModel]:
    """The class with adapters and flexible heads for `model_type`, for example `BertAdapterModel` for "bert".

    Raises:
        UnsupportedModelError: no module was generated for this architecture.
    """
    if model_type in ADAPTER_MODEL_MAPPING_NAMES:
        return _adapter_model_in(_package_of_type(model_type))
    base = _base_class(CONFIG_MAPPING[model_type]) if model_type in CONFIG_MAPPING else None
    found = None if base is None else adapter_model_over(base)
    if found is not None:
        return found
    raise UnsupportedModelError(
        f"no adapter model was generated for the model type '{model_type}'. "
        f"Run `adaptergen add-model {model_type_to_module_name(model_type)}`, which needs the package adaptergen"
    )


def _package_of_type(model_type: str) -> str:
    """The project's own package, or what is provided in its place because it is stale."""
    package = f"generated.models.{model_type_to_module_name(model_type)}"
    try:
        load_integration(package)
    except StaleModuleError:
        base = _base_class(CONFIG_MAPPING[model_type])
        if base is None:
            raise
        return package_of(base)
    return package


def adapter_model_over(base_class: type[PreTrainedModel]) -> type[PreTrainedModel] | None:
    """The adapter model that was generated over a base class, None if it was generated over another one.

    Raises:
        UnsupportedModelError: no module was generated for this architecture.
    """
    package = package_of(base_class)
    integration = load_integration(package)
    is_its_own = base_class.__name__ == integration.base_class and base_class in integration.adapted_classes
    return _adapter_model_in(package) if is_its_own else None


def _adapter_model_in(package: str) -> type[PreTrainedModel]:
    module = importlib.import_module(f"{package}.adapter_model")
    return getattr(module, load_integration(package).adapter_model)


def _base_class(
    config_class: type[PreTrainedConfig], architectures: Sequence[str] = ()
) -> type[PreTrainedModel] | None:
    """The class that AutoModel would load, that of the checkpoint where there are several."""
    from transformers import MODEL_MAPPING  # a table of all models, of which most need nothing

    if config_class not in MODEL_MAPPING:
        return None
    found = MODEL_MAPPING[config_class]
    choices = found if isinstance(found, tuple) else (found,)
    return next((choice for choice in choices if choice.__name__ in architectures), choices[0])


def adapter_model_class_for(
    config: PreTrainedConfig, location: Mapping[str, Any] | None = None
) -> type[PreTrainedModel]:
    """The class for models of this configuration: the generated one, or else one over the base class that AutoModel
    would load, if `generated.init` takes that.

    Args:
        location: arguments of `from_pretrained` that say where the checkpoint is, if it has code of its own.

    Raises:
        UnsupportedModelError: no module was generated for this architecture.
    """
    base_class = base_class_in_code(config, location)
    if base_class is None:
        base_class = _base_class(type(config), config.architectures or ())
        if config.model_type in ADAPTER_MODEL_MAPPING_NAMES or base_class is None:
            return adapter_model_class(config.model_type)
    from generated.core.generic_adapter_model import Traits, generic_adapter_model

    return adapter_model_over(base_class) or generic_adapter_model(base_class, Traits.of(base_class, config))


class AutoAdapterModel:
    """Loads a checkpoint into the adapter model of its architecture."""

    def __init__(self) -> None:
        name = type(self).__name__
        raise TypeError(f"use {name}.from_pretrained(...) or {name}.from_config(...)")

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | PathLike[str], *model_args: Any, **kwargs: Any
    ) -> AdapterModel:
        """The checkpoint as an adapter model; all arguments are those of transformers' `from_pretrained`.

        Raises:
            UnsupportedModelError: no module was generated for this architecture.
        """
        config = kwargs.get("config")
        location = {name: kwargs[name] for name in LOCATION_ARGUMENTS if name in kwargs}
        if not isinstance(config, PreTrainedConfig):
            config = AutoConfig.from_pretrained(config or pretrained_model_name_or_path, **location)
        model_class = adapter_model_class_for(config, location)
        return model_class.from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)

    @classmethod
    def from_config(cls, config: PreTrainedConfig, **kwargs: Any) -> AdapterModel:
        """An adapter model of this config with new weights.

        Raises:
            UnsupportedModelError: no module was generated for this architecture.
        """
        return adapter_model_class_for(config)._from_config(config, **kwargs)


class AutoModelWithHeads(AutoAdapterModel):
    """The former name of `AutoAdapterModel`."""

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | PathLike[str], *model_args: Any, **kwargs: Any
    ) -> AdapterModel:
        """As in `AutoAdapterModel`."""
        warn_of_former_name("AutoModelWithHeads", "AutoAdapterModel")
        return super().from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)

    @classmethod
    def from_config(cls, config: PreTrainedConfig, **kwargs: Any) -> AdapterModel:
        """As in `AutoAdapterModel`."""
        warn_of_former_name("AutoModelWithHeads", "AutoAdapterModel")
        return super().from_config(config, **kwargs)


def warn_of_former_name(former: str, name: str) -> None:
    warnings.warn(f"{former} is called {name} now", FutureWarning, stacklevel=3)
