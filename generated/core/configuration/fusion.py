"""AdapterFusion: how adapters are mixed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generated.core.configuration.base import AdapterConfig, refuse_if
from generated.core.errors import AdapterConfigError


@dataclass(eq=False)
class AdapterFusionConfig(AdapterConfig):
    """
    A learned mixture of the outputs of adapters (Pfeiffer et al., 2021, https://arxiv.org/abs/2005.00247).

    Attention from the layer's hidden states to what each adapter adds to them.

    Args:
        key, query, value: give each its linear map; without, the states themselves are taken.
        query_before_ln: read the query in front of the layer's norm, where adapters read behind it.
        regularization: pull the value maps towards the identity, see `get_fusion_regularization_loss`.
        residual_before: add the residual to the values, instead of to the mixture.
        temperature: divide the scores by a number that falls from 50 to 1 during the first 980 training steps.
        value_before_softmax: map the values, not the mixture of them.
        value_initialized: start the value maps near the identity.
        dropout_prob: dropout on the scores; by default that of the model's attention.
    """

    key: bool
    query: bool
    value: bool
    query_before_ln: bool
    regularization: bool
    residual_before: bool
    temperature: bool
    value_before_softmax: bool
    value_initialized: bool
    dropout_prob: float | None = None

    @classmethod
    def load(cls, config: AdapterFusionConfig | Mapping[str, Any] | str | Path, **changes: Any) -> AdapterFusionConfig:
        """
        Turn what a user may pass into an object: one, a dictionary, "static", "dynamic", or the path of a JSON file.

        Raises:
            AdapterConfigError: it is none of these.
        """
        loaded = _resolve(config)
        changes = {key: value for key, value in changes.items() if value is not None}
        return loaded.replace(**changes) if changes else loaded


@dataclass(eq=False)
class StaticAdapterFusionConfig(AdapterFusionConfig):
    """Mixes the outputs as they are."""

    key: bool = True
    query: bool = True
    value: bool = False
    query_before_ln: bool = False
    regularization: bool = False
    residual_before: bool = False
    temperature: bool = False
    value_before_softmax: bool = True
    value_initialized: bool = False


@dataclass(eq=False)
class DynamicAdapterFusionConfig(AdapterFusionConfig):
    """Maps the outputs before it mixes them."""

    key: bool = True
    query: bool = True
    value: bool = True
    query_before_ln: bool = False
    regularization: bool = True
    residual_before: bool = False
    temperature: bool = False
    value_before_softmax: bool = True
    value_initialized: bool = True


ADAPTERFUSION_CONFIG_MAP: dict[str, Callable[[], AdapterFusionConfig]] = {
    "static": StaticAdapterFusionConfig,
    "dynamic": DynamicAdapterFusionConfig,
}
DEFAULT_ADAPTERFUSION_CONFIG = "dynamic"


def _resolve(config: Any) -> AdapterFusionConfig:
    if isinstance(config, AdapterFusionConfig):
        return config
    if isinstance(config, Mapping):
        return AdapterFusionConfig.from_dict(config)
    refuse_if(not isinstance(config, str | Path), f"{config!r} is no configuration of a fusion")
    if config in ADAPTERFUSION_CONFIG_MAP:
        return ADAPTERFUSION_CONFIG_MAP[config]()
    if Path(config).is_file():
        stored = json.loads(Path(config).read_text(encoding="utf-8"))
        return AdapterFusionConfig.from_dict(stored.get("config", stored))
    known = ", ".join(ADAPTERFUSION_CONFIG_MAP)
    raise AdapterConfigError(f"{str(config)!r} is neither a file nor a configuration of a fusion; known: {known}")
