"""Several methods in one adapter, under one name and in one folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from generated.core.configuration.base import (
    AdapterConfig,
    config_from_dict,
    refuse_if,
    register_architecture,
    register_identifiers,
)
from generated.core.configuration.bottleneck import BnConfig, ParBnConfig, SeqBnConfig
from generated.core.configuration.lora import LoRAConfig
from generated.core.configuration.prefix_tuning import PrefixTuningConfig
from generated.core.errors import AdapterConfigError


class ConfigUnion(AdapterConfig):
    """
    Configurations that act together. As a mapping it has the keys of its parts with their numbers, as "0.leave_out".

    Raises:
        AdapterConfigError: there are no parts, or two would put modules in the same places.
    """

    architecture = "union"

    def __init__(self, *configs: AdapterConfig) -> None:
        refuse_if(not configs, "a union needs at least one configuration")
        parts = [part for config in configs for part in config.parts]
        for first, second in combinations(parts, 2):
            if _overlap(first, second):
                raise AdapterConfigError(
                    f"{type(first).__name__} and {type(second).__name__} adapt the same places and cannot be united"
                )
        self.configs = configs

    @property
    def parts(self) -> tuple[AdapterConfig, ...]:
        return tuple(part for config in self.configs for part in config.parts)

    def __getitem__(self, key: int | str) -> Any:
        if isinstance(key, int):
            return self.configs[key]
        position, _, name = key.partition(".")
        if not position.isdigit() or int(position) >= len(self.configs):
            raise KeyError(key)
        return self.configs[int(position)][name]

    def __iter__(self) -> Iterator[str]:
        return (f"{position}.{key}" for position, config in enumerate(self.configs) for key in config)

    def __len__(self) -> int:
        return sum(map(len, self.configs))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.configs))})"

    def to_dict(self) -> dict[str, Any]:
        return {"architecture": self.architecture, "configs": [config.to_dict() for config in self.configs]}

    def replace(self, **changes: Any) -> ConfigUnion:
        """A copy in which every part that has such a value has it changed."""
        return ConfigUnion(
            *(config.replace(**{key: changes[key] for key in changes if key in config}) for config in self.configs)
        )

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> ConfigUnion:
        if isinstance(config, AdapterConfig):
            return config
        return ConfigUnion(*map(config_from_dict, config.get("configs", ())))


class MAMConfig(ConfigUnion):
    """Mix-and-match: prefixes and parallel adapters (He et al., 2022, https://arxiv.org/abs/2110.04366)."""

    def __init__(self, prefix_tuning: PrefixTuningConfig | None = None, adapter: BnConfig | None = None) -> None:
        super().__init__(prefix_tuning or PrefixTuningConfig(bottleneck_size=800), adapter or ParBnConfig())

    @property
    def prefix_tuning(self) -> PrefixTuningConfig:
        return self.configs[0]

    @property
    def adapter(self) -> BnConfig:
        return self.configs[1]


class UniPELTConfig(ConfigUnion):
    """Prefixes, adapters and LoRA, each behind a gate (Mao et al., 2022, https://arxiv.org/abs/2110.07577)."""

    def __init__(
        self,
        prefix_tuning: PrefixTuningConfig | None = None,
        adapter: BnConfig | None = None,
        lora: LoRAConfig | None = None,
    ) -> None:
        parts = (
            prefix_tuning or PrefixTuningConfig(prefix_length=10),
            adapter or SeqBnConfig(reduction_factor=16),
            lora or LoRAConfig(r=8, alpha=2),
        )
        super().__init__(*(part.replace(use_gating=True) for part in parts))


def _overlap(first: AdapterConfig, second: AdapterConfig) -> bool:
    """Would two configurations meet in one place? Where layers are left out, only adding them can tell."""
    if not _of_one_method(first, second) or first.get("leave_out") or second.get("leave_out"):
        return False
    if isinstance(first, BnConfig):
        return any(first[switch] and second[switch] for switch in ("mh_adapter", "output_adapter", "cross_adapter"))
    return True


def _of_one_method(first: AdapterConfig, second: AdapterConfig) -> bool:
    are_lora = isinstance(first, LoRAConfig) and isinstance(second, LoRAConfig)
    return are_lora or first.architecture == second.architecture


register_architecture("union", ConfigUnion)
register_identifiers({"mam": MAMConfig, "unipelt": UniPELTConfig})
