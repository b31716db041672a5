"""Which adapters does a model have, and which of them are active?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from generated.core.composition import AdapterCompositionBlock
from generated.core.configuration.base import AdapterConfig
from generated.core.configuration.fusion import AdapterFusionConfig
from generated.core.errors import UnknownAdapterError


@dataclass(frozen=True)
class Fusion:
    """A mixture of adapters: which, and how."""

    adapters: tuple[str, ...]
    config: AdapterFusionConfig


@dataclass
class ModelAdaptersConfig(Mapping):
    """
    The configurations of a model's adapters by name, kept beside the model's own configuration, which stays as it is.

    Args:
        adapters: configuration of each adapter.
        fusions: the mixtures of adapters, by name.
        active_setup: the composition that is active, if any.
        skip_layers: numbers of layers in which nothing is active (AdapterDrop, Rücklé et al., 2021).
        shared_parameters: for each group of adapters that have parameters in common, their names.
        disabled: setup, skipped layers and merged adapter that `disable_adapters` has put aside.
    """

    adapters: dict[str, AdapterConfig] = field(default_factory=dict)
    fusions: dict[str, Fusion] = field(default_factory=dict)
    active_setup: AdapterCompositionBlock | None = None
    skip_layers: frozenset[int] = frozenset()
    shared_parameters: dict[str, tuple[str, ...]] = field(default_factory=dict)
    disabled: tuple[AdapterCompositionBlock | None, frozenset[int], str | None] | None = None

    def __getitem__(self, name: str) -> AdapterConfig:
        self.require(name)
        return self.adapters[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self.adapters.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self.adapters

    def __iter__(self) -> Iterator[str]:
        return iter(self.adapters)

    def __len__(self) -> int:
        return len(self.adapters)

    def require(self, *names: str) -> None:
        """
        Raises:
            UnknownAdapterError: one of the names belongs to no adapter.
        """
        unknown = [name for name in names if name not in self.adapters]
        if unknown:
            known = ", ".join(self.adapters) or "none"
            raise UnknownAdapterError(f"no adapter named {', '.join(unknown)} in this model; it has: {known}")

    def to_dict(self) -> dict[str, Any]:
        active = self.active_setup.to_dict() if self.active_setup else None
        return {
            "adapters": {name: config.to_dict() for name, config in self.adapters.items()},
            "fusions": {name: fusion.config.to_dict() for name, fusion in self.fusions.items()},
            "active": active,
        }
