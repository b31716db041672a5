"""Which generated package belongs to a model class, and may it be used with the installed transformers?"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import transformers
from torch import nn
from transformers import PreTrainedModel

from generated.core.config_names import remember
from generated.core.errors import StaleModuleError, UnsupportedMethodError, UnsupportedModelError
from generated.core.layers.slot import AdapterHostMixin
from generated.core.providers import architecture_of, is_provided, provided_package
from generated.core.swap import adapt
from generated.models import MODEL_PACKAGES


OWN = "generated."  # classes of this package are upstream's with more to them
MODELS = "generated.models"


@dataclass(frozen=True)
class Source:
    """The upstream file that a package was generated from."""

    module: str
    transformers: str
    sha256: str


@dataclass(frozen=True)
class Integration:
    """
    A generated package.

    Args:
        package: its import name.
        source: what it was made from.
        adapter_model: name of its class with flexible heads.
        base_class: name of the base model of that class.
        unsupported: methods that the architecture cannot take, with the reason.
        adapted_classes: for each upstream class the one that replaces it.
    """

    package: str
    source: Source
    adapter_model: str
    base_class: str
    unsupported: Mapping[str, str]
    adapted_classes: Mapping[type, type]

    def counterpart(self, cls: type) -> tuple[type, type] | None:
        """The nearest class above `cls` (or itself) that has a replacement, and that replacement."""
        return next(((base, self.adapted_classes[base]) for base in cls.__mro__ if base in self.adapted_classes), None)


def package_of(cls: type) -> str:
    """
    The import name of the generated package for a model class.

    A package that was generated from another modeling file than the installed one, or from none, is provided anew,
    if there is a provider.

    Raises:
        UnsupportedModelError: there is none.
        StaleModuleError: there is none but one that was generated from another modeling file.
    """
    problem: Exception | None = None
    own, inherited = _modeling_modules(cls)
    for module in own:
        try:
            package = _package_for(module)
        except (UnsupportedModelError, StaleModuleError) as error:
            problem = error
        else:
            if package is not None:
                return package
    if problem is not None:
        raise problem
    for module in inherited:
        return _package_for(module)
    raise UnsupportedModelError(
        f"no adapters were generated for {cls.__name__} ({cls.__module__}); "
        f"run `adaptergen add-model {cls.__module__.rpartition('.modeling_')[2]}`, which needs the package adaptergen"
    )


def _modeling_modules(cls: type) -> tuple[list[str], list[str]]:
    """Where the forwards of a model class and of those above it are written, the nearest first; and, of the other
    classes above it, the modules for which there is a package."""
    above = [base for base in cls.__mro__[: cls.__mro__.index(PreTrainedModel)] if not base.__module__.startswith(OWN)]
    own = dict.fromkeys(base.__module__ for base in above if "forward" in vars(base))
    inherited = dict.fromkeys(base.__module__ for base in above if base.__module__ in MODEL_PACKAGES)
    return list(own), [module for module in inherited if module not in own]


def _package_for(module: str) -> str | None:
    if module not in MODEL_PACKAGES:
        return provided_package(module)
    package = f"{MODELS}.{MODEL_PACKAGES[module]}"
    try:
        load_integration(package)
    except StaleModuleError:
        provided = provided_package(module)
        if provided is None:
            raise
        return provided
    return package


@cache
def load_integration(package: str) -> Integration:
    """
    Import a generated package.

    Raises:
        StaleModuleError: the installed modeling file is not the one that the package was generated from.
    """
    plan = _read_plan(package)
    source = Source(*(plan["source"][key] for key in ("module", "transformers", "sha256")))
    _refuse_stale(package, source)
    modeling = importlib.import_module(f"{package}.modeling_{package.rpartition('.')[2]}")
    if is_provided(package):
        remember(importlib.import_module(f"{package}.tables").CONFIG_NAMES)
    return Integration(
        package,
        source,
        plan["adapter_model"]["name"],
        plan["classes"]["base"],
        _unsupported(plan.get("methods", {})),
        modeling.ADAPTED_CLASSES,
    )


def integration_of(model: nn.Module) -> Integration:
    return load_integration(model.model_package)


def declared_places(module: nn.Module) -> type | None:
    """
    The class that says where adapters sit in a model: its own where it was prepared for adapters, or, of a model that
    is a part of another one, what it would become; `None` for anything else.

    Raises:
        StaleModuleError: what was generated for it does not fit the installed modeling file.
    """
    cls = type(module)
    if hasattr(cls, "adapter_stacks"):
        return cls
    if not isinstance(module, PreTrainedModel):
        return None
    try:
        found = load_integration(package_of(cls)).counterpart(cls)
    except UnsupportedModelError:
        return None
    return found[1] if found is not None and hasattr(found[1], "adapter_stacks") else None


def adapt_site(package: str, module: nn.Module) -> None:
    """
    Let a module of a model call its slots. Does nothing if it does already.

    Args:
        package: the generated package of the model that it is in.

    Raises:
        UnsupportedMethodError: the generated package has no class with hooks for this one.
        SwapError: see `swap.adapt`.
    """
    if isinstance(module, AdapterHostMixin):
        return
    found = load_integration(package).counterpart(type(module))
    if found is None:
        raise UnsupportedMethodError(
            f"{type(module).__name__} takes no adapters of this kind: "
            f"the plan of {architecture_of(package)} has no hooks for this class"
        )
    upstream, adapted = found
    adapt(module, adapted, upstream)


def _read_plan(package: str) -> Mapping[str, Any]:
    """Found without importing the package: with another transformers, that import may fail before anything is said."""
    folder = Path(importlib.util.find_spec(package).origin).parent
    return tomllib.loads((folder / "plan.toml").read_text(encoding="utf-8"))


def _unsupported(methods: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {
        name: method.get("because", "no reason is given")
        for name, method in methods.items()
        if not method.get("supported", True)
    }


def _refuse_stale(package: str, source: Source) -> None:
    installed = _spec(source.module)
    if installed is not None and _digest(installed.origin) == source.sha256:
        return
    name = architecture_of(package)
    state = "has no such module" if installed is None else "differs from it"
    raise StaleModuleError(
        f"{package} was generated from {source.module} of transformers {source.transformers}; the installed "
        f"transformers {transformers.__version__} {state}. Run `adaptergen update --all` (for this model alone: "
        f"`adaptergen update {name}`) in the project that it belongs to, or install transformers {source.transformers}"
    )


def _spec(module: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except ModuleNotFoundError:  # not even its package is there
        return None


def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
