"""How do mixtures of adapters come and go? On the base model, as adapters do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from generated.core import lifecycle
from generated.core.composition import Fuse
from generated.core.config_names import config_value
from generated.core.configuration import AdapterFusionConfig, Fusion
from generated.core.errors import AdapterConfigError, AdapterExistsError, UnknownAdapterError, UnsupportedMethodError
from generated.core.layers.adapter_layer import AdapterLayerMixin
from generated.core.layers.fusion import BertFusion
from generated.core.layers.slot import iter_slots, named_places
from generated.core.methods.base import mark_initialized, weight_placement


FusionNames = str | Fuse | Sequence[str]


@dataclass(frozen=True)
class FusionPlace:
    """A slot that has a fusion, with its path from the base model."""

    path: str
    slot: AdapterLayerMixin

    def key(self, name: str) -> str:
        return f"{self.path}.adapter_fusion_layer.{name}" if self.path else f"adapter_fusion_layer.{name}"


def as_fuse(names: FusionNames, name: str | None = None) -> Fuse:
    """What a user may call a fusion: the block, the names of its adapters, or these with commas."""
    if isinstance(names, Fuse):
        return names if name is None else Fuse(*names, name=name)
    return Fuse(*(names.split(",") if isinstance(names, str) else names), name=name)


def fusion_name(model: nn.Module, names: FusionNames) -> str:
    """
    The name of a fusion of `model`.

    Raises:
        UnknownAdapterError: it has no such fusion.
    """
    fusions = model.adapters_config.fusions
    name = names if isinstance(names, str) else as_fuse(names).name
    if name not in fusions:
        known = "; ".join(fusions) or "none"
        raise UnknownAdapterError(f"no fusion named {name!r} in this model; it has: {known}")
    return name


def add_fusion(model: nn.Module, fuse: Fuse, config: AdapterFusionConfig, overwrite_ok: bool = False) -> None:
    """
    Add a mixture of adapters wherever at least two of them are. One of other adapters that it replaces is active no
    more.

    Raises:
        AdapterExistsError: there is one of this name, which may not be overwritten.
        UnknownAdapterError: the model lacks one of the adapters.
        UnsupportedMethodError: no place holds two of them: only bottleneck adapters can be mixed.
    """
    names = fuse.names
    model.adapters_config.require(*names)
    if len(names) < 2:
        raise AdapterConfigError(f"a fusion mixes at least two adapters, not {', '.join(names) or 'none'}")
    if not lifecycle.is_weight_name(fuse.name):
        raise AdapterConfigError(f"{fuse.name!r} cannot name a fusion: it becomes part of weight names and of paths")
    if fuse.name in model.adapters_config.fusions and not overwrite_ok:
        raise AdapterExistsError(f"the model has a fusion {fuse.name!r} already; pass overwrite_ok=True to replace it")
    slots = [slot for slot in _bottleneck_slots(model) if len(slot.held & set(names)) > 1]
    if not slots:
        raise UnsupportedMethodError(
            f"{' and '.join(names)} meet nowhere: a fusion mixes bottleneck adapters that sit in the same places"
        )
    if fuse.name in model.adapters_config.fusions and model.adapters_config.fusions[fuse.name].adapters != names:
        delete_fusion(model, fuse.name)
    dropout = _dropout(model, config)
    for slot in slots:
        fusion = BertFusion(next(iter(slot.adapters.values())).hidden_size, dropout, config)
        device, dtype = weight_placement(slot, model)
        mark_initialized(fusion.to(device=device, dtype=dtype).train(slot.training))
        slot.adapter_fusion_layer[fuse.name] = fusion
    model.adapters_config.fusions[fuse.name] = Fusion(tuple(names), config)


def delete_fusion(model: nn.Module, name: str) -> None:
    """Remove a mixture. If it is active, nothing is any more."""
    if name in active_fusions(model):
        lifecycle.activate(model, None)
    lifecycle.remove_fusion(model, name)


def fusion_places(model: nn.Module, name: str) -> list[FusionPlace]:
    """All slots that have this fusion."""
    modules = ((path, module) for path, module in named_places(model) if isinstance(module, AdapterLayerMixin))
    return [FusionPlace(path, slot) for path, slot in modules if name in slot.adapter_fusion_layer]


def fusion_modules(model: nn.Module, name: str) -> Iterator[BertFusion]:
    return (place.slot.adapter_fusion_layer[name] for place in fusion_places(model, name))


def fusion_parameters(model: nn.Module, name: str) -> Iterator[nn.Parameter]:
    for fusion in fusion_modules(model, name):
        yield from fusion.parameters()


def fusion_tensors(model: nn.Module, name: str) -> dict[str, Tensor]:
    """All tensors of a fusion by their names in the state dict of `model`. They share memory with the model."""
    tensors: dict[str, Tensor] = {}
    for place in fusion_places(model, name):
        tensors |= place.slot.adapter_fusion_layer[name].state_dict(prefix=f"{place.key(name)}.")
    return tensors


def active_fusions(model: nn.Module) -> tuple[str, ...]:
    """Names of the fusions that are active."""
    setup = model.adapters_config.active_setup
    blocks = setup.blocks if setup is not None else ()
    return tuple(dict.fromkeys(block.name for block in blocks if isinstance(block, Fuse)))


def regularization_loss(model: nn.Module) -> Tensor | None:
    """Sum over all active fusions of how far their value maps are from the identity; `None` if there are none."""
    losses = [
        loss
        for name in active_fusions(model)
        for fusion in fusion_modules(model, name)
        if (loss := fusion.regularization_loss()) is not None
    ]
    return torch.stack([loss.to(losses[0].device) for loss in losses]).sum() if losses else None


def _bottleneck_slots(model: nn.Module) -> Iterator[AdapterLayerMixin]:
    return (slot for slot in iter_slots(model) if isinstance(slot, AdapterLayerMixin))


def _dropout(model: nn.Module, config: AdapterFusionConfig) -> float:
    if config.dropout_prob is not None:
        return config.dropout_prob
    try:
        return config_value(model.config, "attention_probs_dropout_prob") or 0.0
    except AttributeError:  # an attention without dropout
        return 0.0
