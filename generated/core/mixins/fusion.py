"""Mixtures of adapters: AdapterFusion."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import torch
from torch import Tensor

from generated.core import fusions, training
from generated.core.composition import Setup, parse_composition
from generated.core.configuration import DEFAULT_ADAPTERFUSION_CONFIG, AdapterFusionConfig
from generated.core.fusions import FusionNames


FusionConfigLike = AdapterFusionConfig | Mapping[str, Any] | str | PathLike


class AdapterFusionMixin:
    """Adding, training and removing mixtures of the adapters of a model."""

    def add_adapter_fusion(
        self,
        adapter_names: FusionNames,
        config: FusionConfigLike | None = None,
        name: str | None = None,
        overwrite_ok: bool = False,
        set_active: bool = False,
    ) -> None:
        """
        Add a learned mixture with new weights, wherever at least two of the adapters are.

        Args:
            adapter_names: a `Fuse`, a list of names, or names with commas. They must be there, with bottlenecks.
            config: an `AdapterFusionConfig`, a dictionary, "static", "dynamic" (the default) or a JSON file.
            name: of the mixture; by default the names of its adapters, with commas.
            overwrite_ok: replace a mixture of the same name.
            set_active: activate it.

        Raises:
            UnknownAdapterError, AdapterExistsError, AdapterConfigError, UnsupportedMethodError: nothing was added.
        """
        fuse = fusions.as_fuse(adapter_names, name)
        parsed = AdapterFusionConfig.load(config if config is not None else DEFAULT_ADAPTERFUSION_CONFIG)
        fusions.add_fusion(self.adapted_base, fuse, parsed, overwrite_ok)
        if set_active:
            self.set_active_adapters(fuse)

    add_fusion = add_adapter_fusion

    def delete_adapter_fusion(self, adapter_names: FusionNames) -> None:
        """
        Remove a mixture, by its name or by the names of its adapters. The adapters stay.

        Raises:
            UnknownAdapterError: there is none.
        """
        base = self.adapted_base
        fusions.delete_fusion(base, fusions.fusion_name(base, adapter_names))

    def train_adapter_fusion(
        self, adapter_setup: Setup, unfreeze_adapters: bool = False, *, train_head: bool = True
    ) -> None:
        """
        Activate a setup and train its mixtures, and a head; the mixed adapters only if asked for.

        Args:
            adapter_setup: as for `set_active_adapters`; a list of names means a mixture of them.
            unfreeze_adapters: train all adapters of the setup, too.
            train_head: if not, the head is frozen, too.
        """
        is_plain = isinstance(adapter_setup, list | tuple) and all(isinstance(name, str) for name in adapter_setup)
        setup = parse_composition(fusions.as_fuse(adapter_setup) if is_plain else adapter_setup)
        self.train_adapter(setup, train_head=train_head)
        training.train_fusions(self, setup, unfreeze_adapters)

    train_fusion = train_adapter_fusion

    def adapter_fusion_to(
        self,
        adapter_names: FusionNames,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Move the weights of a mixture to a device or a type of their own."""
        base = self.adapted_base
        for fusion in fusions.fusion_modules(base, fusions.fusion_name(base, adapter_names)):
            fusion.to(device=device, dtype=dtype)

    def get_fusion_regularization_loss(self) -> Tensor | None:
        """
        0.01 Σ (I − V)² over the value maps of all active mixtures whose configuration asks for it, a scalar to add to
        the loss; `None` if there are none.
        """
        return fusions.regularization_loss(self.adapted_base)
